"""The stages of a build, a module per stage or per backend; ``flow/build.py`` orders them."""
