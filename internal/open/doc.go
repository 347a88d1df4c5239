// Package open keeps values that concern nobody (air quality, a water level,
// where the buses are) and gives them to anyone: the newest, a range, means per
// window, and each new one as it comes. An operator publishes them, and nothing
// here is sealed, so nothing here may be a person's.
//
// A service is what an operator offers ("air"); it has things ("market-square"),
// each with a Thing Description whose properties have values. They lie in a file
// of their own, apart from all that concerns persons. All methods may be called
// concurrently. Times are kept in milliseconds and returned in UTC.
package open
