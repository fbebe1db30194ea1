"""The functions and objects behind `import rpd`: commands as functions, runs as objects (listed in
adapters/face/__init__.py)."""
