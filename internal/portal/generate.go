package portal

// What pages are made of is built into web/dist and not kept in the repository.
//go:generate go run -C ../../tools ./web
