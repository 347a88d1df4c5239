package main

// locale is the language that the shell asks for in messages, as POSIX says: the
// first of the three variables that is set.
func locale(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := env(name); v != "" {
			return v
		}
	}
	return ""
}
