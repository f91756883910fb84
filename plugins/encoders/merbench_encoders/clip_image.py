"""Where ``ClipImage`` was before it had a room: scripts import it from here."""

from merbench_encoders.clip.image import ClipImage as ClipImage
