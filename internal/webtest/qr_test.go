package webtest_test

import (
	"image"
	"image/color"
	"strings"
	"testing"

	"rsc.io/qr"

	"primum/internal/webtest"
)

// TestDecodeQR reads what a known encoder drew, at sizes that have all traits.
func TestDecodeQR(t *testing.T) {
	t.Parallel()
	for _, level := range []qr.Level{qr.L, qr.M} {
		for n := 1; n < 200; n += 9 {
			want := "https://h.example/" + strings.Repeat("x7", n/2)
			code, err := qr.Encode(want, level)
			if err != nil {
				t.Fatal(err)
			}
			if code.Size > 57 {
				continue
			}
			got, err := webtest.DecodeQR(paint(code))
			if err != nil || got != want {
				t.Fatalf("level %v, %d modules: %q, %v; want %q", level, code.Size, got, err, want)
			}
		}
	}
	if _, err := webtest.DecodeQR(image.NewGray(image.Rect(0, 0, 90, 90))); err == nil {
		t.Error("a dark picture was read")
	}
}

// paint draws a code with five pixels a module and a margin.
func paint(code *qr.Code) image.Image {
	const px, margin = 5, 17
	p := image.NewGray(image.Rect(0, 0, code.Size*px+2*margin, code.Size*px+2*margin))
	for y := range p.Rect.Dy() {
		for x := range p.Rect.Dx() {
			p.SetGray(x, y, color.Gray{Y: 255})
			if x >= margin && y >= margin && code.Black((x-margin)/px, (y-margin)/px) {
				p.SetGray(x, y, color.Gray{})
			}
		}
	}
	return p
}
