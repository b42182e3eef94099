"""What models share: ``uma.lm.models.cache``."""
