package operator

// HashOf is how the value of a session's cookie is kept.
func HashOf(text string) []byte { return hashOf(text) }
