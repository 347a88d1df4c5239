package engine

import (
	"encoding/json"
	"errors"
)

// errorOf is what a page sees of an error.
func errorOf(err error) *Error {
	var shown *Error
	if errors.As(err, &shown) {
		return shown
	}
	return &Error{Code: "internal", Detail: err.Error()}
}

// Shown is an error as JSON of an Error, as pages get it.
func Shown(err error) string {
	b, err := json.Marshal(errorOf(err))
	if err != nil {
		return `{"code":"internal"}`
	}
	return string(b)
}
