"""The train features as a merge compares them: whitened, or centred by camera."""
