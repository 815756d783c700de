"""Models of other libraries behind the plug-in interface, one module a library.

Each module has ``load(name, options)``; a reference such as ``transformers:org/repo`` calls it. The
library is an optional extra and is imported when a model of it is loaded.
"""
