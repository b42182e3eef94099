"""Unified Memory Arrays: uma.core is the array framework, uma.nn and uma.optimizers stand on it."""
