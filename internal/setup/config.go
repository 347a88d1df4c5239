package setup

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"primum/internal/certs"
	"primum/internal/node"
	"primum/internal/words"
)

// member is a line of a configuration, with its comment above.
type member struct {
	name  string
	value any      // written as JSON
	off   bool     // stands there as a comment, to be switched on
	below []member // of an object, instead of value
}

// ConfigText is a commented configuration (.jsonc) of a node that keeps its
// own certificate. Everything that can be said stands there, what is not said
// as a comment; any of these lines can be switched on as it is.
func ConfigText(w *words.Words, c node.Config, now time.Time) ([]byte, error) {
	var b strings.Builder
	comment(&b, "", w.Get("setup.config.head", "Domain", c.Authority, "Date", now.UTC().Format(time.DateOnly)))
	b.WriteString("{\n")
	if err := write(&b, "  ", w, "setup.config.", members(c)); err != nil {
		return nil, err
	}
	b.WriteString("}\n")
	return []byte(b.String()), nil
}

// members are all lines. The last is never off: it alone has no comma.
func members(c node.Config) []member {
	ca, http := c.ACME.CA, c.ACME.HTTP
	if ca == "" {
		ca = certs.LetsEncrypt
	}
	if http == "" {
		http = ":80"
	}
	contact := c.Contact
	if contact == "" {
		contact = "mailto:operator@" + c.Authority
	}
	return []member{
		{name: "authority", value: c.Authority},
		{name: "dataDir", value: c.DataDir},
		{name: "listen", value: c.Listen},
		{name: "acme", below: []member{
			{name: "ca", value: ca},
			{name: "email", value: c.ACME.Email},
			{name: "http", value: http},
			{name: "agreed", value: c.ACME.Agreed},
		}},
		{name: "contact", value: contact, off: c.Contact == ""},
		{name: "witnesses", value: []string{"node.example.net"}, off: true},
		{name: "ledgerEvery", value: "6h", off: true},
		{name: "quotas", value: map[string]int{"requests": 1000000}, off: true},
		{name: "liveSockets", value: 20000, off: true},
		{name: "tlsCert", value: "/etc/ssl/node.pem", off: true},
		{name: "tlsKey", value: "/etc/ssl/node.key", off: true},
		{name: "proxy", value: true, off: true},
		{name: "invite", value: true},
	}
}

func write(b *strings.Builder, indent string, w *words.Words, ids string, all []member) error {
	for i, m := range all {
		comment(b, indent, w.Get(ids+m.name))
		comma := ","
		if i == len(all)-1 {
			comma = ""
		}
		if m.below != nil {
			fmt.Fprintf(b, "%s%q: {\n", indent, m.name)
			if err := write(b, indent+"  ", w, ids+m.name+".", m.below); err != nil {
				return err
			}
			fmt.Fprintf(b, "%s}%s\n", indent, comma)
			continue
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
		off := ""
		if m.off {
			off = "// "
		}
		fmt.Fprintf(b, "%s%s%q: %s%s\n", indent, off, m.name, value, comma)
	}
	return nil
}

func comment(b *strings.Builder, indent, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(b, "%s// %s\n", indent, strings.TrimSpace(line))
	}
}
