"""Frames and waveforms out of video and audio files."""
