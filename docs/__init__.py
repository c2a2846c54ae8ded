"""The manual. A package, so that its Sphinx extensions in `ext` can be imported."""
