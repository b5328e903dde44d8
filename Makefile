# SPDX-License-Identifier: GPL-2.0-only

.PHONY: help
help:
	@echo "make setup     make the bench tree (Debian, cached outside the project)"

.PHONY: setup
setup:
	scripts/setup
