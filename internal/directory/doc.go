// Package directory keeps Thing Descriptions (W3C WoT Discovery) and finds them for a caller.
package directory
