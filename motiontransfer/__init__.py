"""Do-as-I-do motion transfer."""
