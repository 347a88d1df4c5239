package webtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// ReadQR reads the QR code that an element shows, from a picture of the page as
// a phone's camera would see it.
func (tab *Tab) ReadQR(sel string) string {
	tab.t.Helper()
	tab.WaitVisible(sel)
	box, err := ask[struct{ X, Y, Width, Height float64 }](tab, `(() => { const b = all(document, %s).find(shows).getBoundingClientRect();
		return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height}; })()`, selector(sel))
	if err != nil {
		tab.t.Fatalf("place of %s: %v", sel, err)
	}
	ctx, cancel := context.WithTimeout(tab.ctx, wait)
	defer cancel()
	beyond := true
	res, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{
		CaptureBeyondViewport: &beyond, Clip: &page.Viewport{X: box.X, Y: box.Y, Width: box.Width, Height: box.Height, Scale: 4},
	})
	if err != nil {
		tab.t.Fatalf("picture of %s: %v", sel, err)
	}
	picture, err := png.Decode(bytes.NewReader(res.Data))
	if err != nil {
		tab.t.Fatalf("picture of %s: %v", sel, err)
	}
	text, err := DecodeQR(picture)
	if err != nil {
		tab.t.Fatalf("QR code %s: %v", sel, err)
	}
	return text
}

// modules is a QR code as squares (ISO/IEC 18004).
type modules struct {
	size int
	dark func(x, y int) bool
}

// DecodeQR reads a QR code of up to version 10 in a straight, undamaged
// picture, with text as bytes. It is for tests: what it can't read is an error.
func DecodeQR(picture image.Image) (string, error) {
	m, err := squares(picture)
	if err != nil {
		return "", err
	}
	level, mask := m.format()
	blocks, ok := dataBlocks()[version{(m.size - 17) / 4, level}]
	if !ok {
		return "", fmt.Errorf("a code of %d modules and level %d is not known here", m.size, level)
	}
	return text(deinterleave(m.codewords(mask), blocks), m.size)
}

// squares finds the code: the corner pattern's first row is seven squares long.
func squares(p image.Image) (m modules, err error) {
	black := func(x, y int) bool { r, g, b, _ := p.At(x, y).RGBA(); return r+g+b < 3*0x8000 }
	b := p.Bounds()
	left, top, right := -1, -1, -1
	for y := b.Min.Y; y < b.Max.Y && top < 0; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if black(x, y) {
				if top < 0 {
					left, top = x, y
				}
				right = x
			}
		}
	}
	if top < 0 {
		return m, errors.New("the picture has nothing dark")
	}
	run := left
	for run < b.Max.X && black(run, top) {
		run++
	}
	side := float64(run-left) / 7
	m.size = int(float64(right+1-left)/side + 0.5)
	if m.size < 21 || m.size > 57 || m.size%4 != 1 {
		return m, fmt.Errorf("%d modules are no QR code", m.size)
	}
	side = float64(right+1-left) / float64(m.size)
	m.dark = func(x, y int) bool {
		return black(left+int((float64(x)+0.5)*side), top+int((float64(y)+0.5)*side))
	}
	return m, nil
}

// format is the error correction level and the mask, of the bits below the upper
// left corner pattern.
func (m modules) format() (level, mask int) {
	bits := 0
	for i, at := range [][2]int{{0, 8}, {1, 8}, {2, 8}, {3, 8}, {4, 8}} {
		if m.dark(at[0], at[1]) {
			bits |= 1 << (4 - i)
		}
	}
	bits ^= 0b10101
	return bits >> 3, bits & 7
}

func masked(mask, x, y int) bool {
	return []bool{
		(x+y)%2 == 0, y%2 == 0, x%3 == 0, (x+y)%3 == 0, (y/2+x/3)%2 == 0,
		x*y%2+x*y%3 == 0, (x*y%2+x*y%3)%2 == 0, ((x+y)%2+x*y%3)%2 == 0,
	}[mask]
}

// fixed tells of squares that carry no data.
func (m modules) fixed(x, y int) bool {
	n, last := m.size, m.size-9
	switch {
	case x == 6 || y == 6, x <= 8 && y <= 8, x <= 8 && y > last, x > last && y <= 8:
		return true
	case n >= 45 && (x < 6 && y >= n-11 || y < 6 && x >= n-11): // version information
		return true
	}
	centres := alignments()[(n-17)/4]
	for _, cx := range centres {
		for _, cy := range centres {
			corner := cx == 6 && cy == 6 || cx == 6 && cy == n-7 || cx == n-7 && cy == 6
			if !corner && abs(x-cx) <= 2 && abs(y-cy) <= 2 {
				return true
			}
		}
	}
	return false
}

func abs(n int) int { return max(n, -n) }

// codewords follows the zigzag from the lower right corner.
func (m modules) codewords(mask int) (all []byte) {
	bits, value := 0, byte(0)
	up := true
	for right := m.size - 1; right > 0; right -= 2 {
		if right == 6 {
			right--
		}
		for i := range m.size {
			y := i
			if up {
				y = m.size - 1 - i
			}
			for x := right; x > right-2; x-- {
				if m.fixed(x, y) {
					continue
				}
				value <<= 1
				if m.dark(x, y) != masked(mask, x, y) {
					value |= 1
				}
				if bits++; bits%8 == 0 {
					all = append(all, value)
				}
			}
		}
		up = !up
	}
	return all
}

type version struct{ number, level int }

// dataBlocks is how many data codewords each block has (Table 9), for levels L
// (1) and M (0).
func dataBlocks() map[version][]int {
	return map[version][]int{
		{1, 0}: {16}, {2, 0}: {28}, {3, 0}: {44}, {4, 0}: {32, 32}, {5, 0}: {43, 43}, {6, 0}: {27, 27, 27, 27}, {7, 0}: {31, 31, 31, 31},
		{8, 0}: {38, 38, 39, 39}, {9, 0}: {36, 36, 36, 37, 37}, {10, 0}: {43, 43, 43, 43, 44},
		{1, 1}: {19}, {2, 1}: {34}, {3, 1}: {55}, {4, 1}: {80}, {5, 1}: {108}, {6, 1}: {68, 68}, {7, 1}: {78, 78}, {8, 1}: {97, 97},
		{9, 1}: {116, 116}, {10, 1}: {68, 68, 69, 69},
	}
}

// alignments are the centres of the small patterns (Annex E), by version.
func alignments() [][]int {
	return [][]int{
		nil, nil, {6, 18}, {6, 22}, {6, 26}, {6, 30}, {6, 34}, {6, 22, 38}, {6, 24, 42}, {6, 26, 46}, {6, 28, 50},
	}
}

func deinterleave(codewords []byte, blocks []int) (data []byte) {
	parts := make([][]byte, len(blocks))
	i := 0
	for k := range blocks[len(blocks)-1] {
		for b := range blocks {
			if k < blocks[b] && i < len(codewords) {
				parts[b] = append(parts[b], codewords[i])
				i++
			}
		}
	}
	for _, p := range parts {
		data = append(data, p...)
	}
	return data
}

// text reads one segment of bytes.
func text(data []byte, size int) (string, error) {
	bit := 0
	take := func(n int) (v int) {
		for range n {
			if bit/8 < len(data) {
				v = v<<1 | int(data[bit/8]>>(7-bit%8))&1
			}
			bit++
		}
		return v
	}
	if mode := take(4); mode != 4 {
		return "", fmt.Errorf("the code is in mode %d, not bytes", mode)
	}
	count := 8
	if size >= 57 {
		count = 16
	}
	out := make([]byte, take(count))
	for i := range out {
		out[i] = byte(take(8))
	}
	return string(out), nil
}
