"""Sound as features, without weights; and waveforms for towers."""
