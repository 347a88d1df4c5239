package open

import (
	"net/url"
	"strconv"
	"strings"

	"rsc.io/qr"
)

// Class is what is known of a product code.
type Class struct {
	Key      string      `json:"key"`           // path of the GS1 key
	Elements string      `json:"elementString"` // the same with brackets
	Title    string      `json:"title,omitempty"`
	Links    []ClassLink `json:"links,omitempty"`
	Things   []Thing     `json:"-"` // open things of this class
}

// ClassLink is one link of a product code.
type ClassLink struct {
	LinkType string   `json:"linkType"`
	Title    string   `json:"title"`
	Href     string   `json:"href"`
	Type     string   `json:"type,omitempty"` // media type
	Langs    []string `json:"hreflang,omitempty"`
}

// Address is what a QR code on the thing leads to: its GS1 Digital Link at this
// node where it has a key, else its own page.
func (t Thing) Address(base string) string {
	if t.Key != "" {
		return base + "/" + t.Key
	}
	return base + "/open/" + url.PathEscape(t.Service) + "/" + url.PathEscape(t.Name)
}

// quiet is the margin of a QR code that readers need, in modules (ISO/IEC 18004
// §6.3.8).
const quiet = 4

// QR is a drawn QR code: what it says, a square of Size modules with its margin,
// and the path of its dark modules as SVG has it.
type QR struct {
	Text string
	Size int
	Path string
}

// DrawQR draws a text of at most some 2,000 bytes.
func DrawQR(text string) (QR, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return QR{}, &Invalid{"", "too long for a QR code"}
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if n := strconv.Itoa(x - from); x > from {
				b.WriteString("M" + strconv.Itoa(from+quiet) + " " + strconv.Itoa(y+quiet) + "h" + n + "v1h-" + n + "z")
			}
		}
	}
	return QR{text, code.Size + 2*quiet, b.String()}, nil
}

// SVG is the code as a picture of its own, black on white in any look.
func (q QR) SVG() string {
	size := strconv.Itoa(q.Size)
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + size + " " + size + `" shape-rendering="crispEdges">` +
		`<rect width="` + size + `" height="` + size + `" fill="#fff"/><path d="` + q.Path + `" fill="#000"/></svg>`
}
