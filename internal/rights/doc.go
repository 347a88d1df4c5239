// Package rights serves what the law and the oath give a person at no price (L11):
// access, export, import, erasure, objection, complaint.
package rights
