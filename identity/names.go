//go:build !js

package identity

import (
	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
)

// mapUser is a user's name in its one form (RFC 8265 §3.3).
func mapUser(s string) (string, error) { return precis.UsernameCaseMapped.String(s) }

// hostToASCII maps a domain to lower-case A-labels (RFC 5891).
func hostToASCII(host string) (string, error) {
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))
	ascii, err := profile.ToASCII(host)
	if err == nil {
		// What maps to something that maps on has no one form.
		_, err = profile.ToASCII(ascii)
	}
	return ascii, err
}

// hostToUnicode is a domain as people read it.
func hostToUnicode(host string) (string, error) { return idna.Display.ToUnicode(host) }
