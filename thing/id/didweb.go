package id

import "strings"

// parseDID reads a did:web (did:web Method Specification, 3.1): a host, its
// port behind %3A, and a path with colons.
func parseDID(s string) (ID, *Error) {
	rest, ok := strings.CutPrefix(s, "did:web:")
	if !ok {
		return ID{}, refuse(0, "did", Scheme, "of decentralised identifiers only did:web is read")
	}
	at := len(s) - len(rest)
	name, path, hasPath := strings.Cut(rest, ":")
	host, err := unescape(name, "host")
	if err == nil {
		host, err = parseHost(host, false)
	}
	if err != nil {
		return ID{}, err.at(at)
	}
	text := "did:web:" + strings.Replace(host, ":", "%3A", 1)
	at += len(name) + 1
	if hasPath {
		for segment := range strings.SplitSeq(path, ":") {
			clean, err := didSegment(segment)
			if err != nil {
				return ID{}, err.at(at)
			}
			text, at = text+":"+clean, at+len(segment)+1
		}
	}
	return ID{kind: DIDWeb, form: "did", text: text, host: host}, nil
}

// didSegment allows the characters of a DID (DID Core, 3.1) and escapes of others.
func didSegment(s string) (string, *Error) {
	text, err := unescape(s, "path")
	switch {
	case err != nil:
		return "", err
	case text == "" || text == "." || text == "..":
		return "", refuse(0, "path", Empty, "a part of the path is empty")
	case strings.Contains(text, "/"):
		return "", refuse(0, "path", Letter, "a slash may not stand in a did:web")
	}
	for i := range len(s) {
		if !alphanumeric(s[i]) && strings.IndexByte("-._%", s[i]) < 0 {
			return "", refuse(i, "path", Letter, "%q may not stand in a did:web", s[i])
		}
	}
	var b strings.Builder
	escape(&b, text)
	return b.String(), nil
}

// DocumentURL is where the document of a did:web lies; "" for other kinds.
func (id ID) DocumentURL() string {
	if id.kind != DIDWeb {
		return ""
	}
	_, path, ok := strings.Cut(strings.TrimPrefix(id.text, "did:web:"), ":")
	if !ok {
		return "https://" + id.host + "/.well-known/did.json"
	}
	return "https://" + id.host + "/" + strings.ReplaceAll(path, ":", "/") + "/did.json"
}
