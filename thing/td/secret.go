package td

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checkSecrets refuses what must not stand in a description that others read
// (TD 1.1 §9.1, §10.4): a directory would hand it to everybody.
func (c *checker) checkSecrets(v any, at []string) {
	switch x := v.(type) {
	case map[string]any:
		c.checkKey(x, at)
		for name, one := range x {
			here := append(at, name)
			if text, ok := one.(string); ok && text != "" && c.secretName(name, at) {
				c.fault("a secret does not belong into a description that others read", here...)
				continue
			}
			c.checkDefault(name, one, here)
			c.checkSecrets(one, here)
		}
	case []any:
		for i, one := range x {
			c.checkSecrets(one, append(at, strconv.Itoa(i)))
		}
	case string:
		if c.secretText(x) {
			c.fault("this looks like a secret, which does not belong into a description that others read", at...)
		}
	}
}

// checkDefault: an affordance or a variable named like a secret says nothing
// about its value.
func (c *checker) checkDefault(name string, v any, at []string) {
	schema, ok := v.(map[string]any)
	if !ok || !c.secretName(name, nil) {
		return
	}
	for _, member := range []string{"const", "default"} {
		if _, ok := schema[member]; ok {
			c.fault("the value of a secret does not belong into a description that others read", append(at, member)...)
		}
	}
}

// checkKey refuses private keys as JSON Web Keys (RFC 7517, RFC 8037).
func (c *checker) checkKey(x map[string]any, at []string) {
	kty, ok := x["kty"].(string)
	if !ok || kty == "" {
		return
	}
	for _, part := range []string{"d", "k"} {
		if _, ok := x[part].(string); ok {
			c.fault("a private or shared key does not belong into a description that others read", append(at, part)...)
		}
	}
}

// secretName tells whether a member's name says that its text is a secret. A
// scheme's definition has more such members than the rest.
func (c *checker) secretName(name string, at []string) bool {
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name = name[i+1:] // of a vocabulary's term its own name
	}
	name = strings.ToLower(c.plain.Replace(name))
	if slices.Contains([]string{
		"password", "passwd", "passphrase", "secret", "clientsecret", "sharedsecret", "apikey", "privatekey", "secretkey",
		"presharedkey", "accesstoken", "refreshtoken", "bearertoken", "authtoken", "credential", "credentials", "pincode",
	}, name) {
		return true
	}
	if len(at) != 2 || at[0] != "securityDefinitions" {
		return false
	}
	definitions, _ := c.top["securityDefinitions"].(map[string]any)
	def, _ := definitions[at[1]].(map[string]any)
	if name == "token" {
		return def["scheme"] != "oauth2" // where it is the address of a service
	}
	return slices.Contains([]string{"key", "psk", "pass", "pw", "value", "username"}, name)
}

// secretText tells secrets by their form: keys in PEM, addresses with a
// password or a token in them, JSON Web Tokens.
func (c *checker) secretText(s string) bool {
	if strings.Contains(s, "PRIVATE KEY-----") {
		return true
	}
	if strings.HasPrefix(s, "eyJ") && strings.Count(s, ".") == 2 && !strings.ContainsAny(s, " /:") {
		return true
	}
	if !strings.Contains(s, "://") || len(s) > 8192 {
		return false
	}
	plain, _, err := expand(s)
	if err != nil {
		plain = s
	}
	u, err := url.Parse(plain)
	if err != nil {
		return false
	}
	if password, ok := u.User.Password(); ok && password != "" && !strings.Contains(s, "{") {
		return true
	}
	for name, values := range u.Query() {
		name = strings.ToLower(c.plain.Replace(name))
		if slices.Contains([]string{"password", "apikey", "accesstoken", "token", "secret", "clientsecret"}, name) && values[0] != "" && values[0] != "0" {
			return true
		}
	}
	return false
}
