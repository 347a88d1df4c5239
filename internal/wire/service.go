package wire

// Where services are: documents for programs below ServiceListPath, pages for
// people below ServicePages, each by its name.
const (
	ServiceListPath = "/v1/services"
	ServicePages    = "/services"
)
