"""The paper's compared methods on the same clip features, splits and protocols."""
