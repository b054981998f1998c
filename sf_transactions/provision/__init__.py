"""The AWS resources: what should be (pure), plan, apply, destroy."""
