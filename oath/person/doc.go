// Package person gives the oath's checks their cast: a test person, two grantees
// and a thing whose values are canaries, all made through the public door.
package person
