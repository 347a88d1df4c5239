// Package td validates Thing Descriptions 1.0 and 1.1 whole (W3C WoT).
package td
