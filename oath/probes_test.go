package oath

import (
	"crypto/tls"
	"crypto/x509"
)

func tlsWith(roots *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: roots} }
