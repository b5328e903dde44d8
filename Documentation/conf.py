# SPDX-License-Identifier: GPL-2.0-only
"""Sphinx configuration; scripts/build-docs runs it."""

import os
import sys

# The kernel's directives: kernel-doc and flat-table.  They want to know where
# their own tree is; what they document is ours.
linux = os.environ.get('LINUX', '/usr/src/linux')
os.environ['srctree'] = linux
sys.path.insert(0, os.path.join(linux, 'Documentation/sphinx'))
extensions = ['kerneldoc', 'rstFlatTable']
kerneldoc_srctree = os.path.abspath('..')

project = 'vfio-cachemode'
author = 'vfio-cachemode maintainers'
copyright = '2026, vfio-cachemode maintainers'   # Sphinx wants this name
release = '0.1.0'

root_doc = 'index'
primary_domain = 'c'
highlight_language = 'none'
c_id_attributes = ['VFIOMEM_INLINE', '__iomem', '__user']

# Types of the kernel's and of libc's are not documented here.
nitpicky = False

html_theme = 'alabaster'
html_theme_options = {
    'description': "Touch a passed-through device's memory correctly, and fast",
    'fixed_sidebar': True,
    'page_width': '1080px',
    'sidebar_width': '250px',
}
html_show_sphinx = False
