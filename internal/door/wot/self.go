package wotdoor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"primum/internal/answer"
	"primum/thing/td"
)

// self is the directory's own description (WoT Discovery §7.2.1, §7.3.1; the
// names of its affordances are those of the directory's Thing Model).
func (d *Door) self(w http.ResponseWriter, r *http.Request) {
	b, err := d.Description()
	if err != nil {
		d.failed(w, err)
		return
	}
	sum := sha256.Sum256(b)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	if answer.Same(w, r, `"`+hex.EncodeToString(sum[:8])+`"`) {
		return
	}
	d.send(w, td.MediaType, b)
}

type object = map[string]any

// Description is the directory's own description.
func (d *Door) Description() ([]byte, error) {
	return json.Marshal(object{
		"@context":    []any{td.Context11, td.ContextDirectory, object{"htv": "http://www.w3.org/2011/http#"}},
		"@type":       "ThingDirectory",
		"id":          d.cfg.Base + SelfPath,
		"title":       "Things of " + d.cfg.Authority,
		"description": "Thing Description directory. Strangers read what is public; a token of a publisher, or a request signed by an account (RFC 9421), reads and changes more.",
		"base":        d.cfg.Base,
		"securityDefinitions": object{
			"open":      object{"scheme": "nosec"},
			"publisher": object{"scheme": "bearer", "in": "header", "name": "Authorization", "format": "opaque"},
		},
		"security":   "open",
		"properties": object{"things": listOfThings()},
		"actions":    actions(),
		"events":     events(),
	})
}

func text(title string) object { return object{"title": title, "type": "string"} }

func failures(statuses ...int) []any {
	var list []any
	for _, s := range statuses {
		list = append(list, object{"description": http.StatusText(s), "contentType": answer.ProblemType, "htv:statusCodeValue": s})
	}
	return list
}

func listOfThings() object {
	return object{
		"description": "All Thing Descriptions that you may read",
		"type":        "array",
		"readOnly":    true,
		"uriVariables": object{
			"offset": object{"title": "Number of TDs to skip before the page", "type": "integer", "minimum": 0, "default": 0},
			"limit":  object{"title": "Number of TDs in a page", "type": "integer", "minimum": 1},
			"format": object{"title": "Payload format", "type": "string", "enum": []any{"array", "collection"}, "default": "array"},
		},
		"forms": []any{object{
			"href": ThingsPath + "{?offset,limit,format}", "op": "readproperty", "htv:methodName": "GET",
			"contentType":         typeLD,
			"response":            object{"contentType": typeLD, "htv:statusCodeValue": 200},
			"additionalResponses": failures(http.StatusBadRequest),
		}},
	}
}

// action of one form. id tells whether its address has a thing's id.
func action(method, href, title, contentType, answers string, changes bool, more object) object {
	form := object{"href": href, "op": "invokeaction", "htv:methodName": method}
	if contentType != "" {
		form["contentType"] = contentType
	}
	if answers != "" {
		form["response"] = object{"htv:statusCodeValue": http.StatusOK, "contentType": answers}
	}
	wrong := []int{http.StatusBadRequest, http.StatusNotFound}
	if changes {
		form["security"] = "publisher"
		wrong = append(wrong, http.StatusUnauthorized, http.StatusForbidden)
	}
	form["additionalResponses"] = failures(wrong...)
	a := object{"description": title, "forms": []any{form}, "safe": method == http.MethodGet, "idempotent": method != http.MethodPost}
	for name, v := range more {
		a[name] = v
	}
	return a
}

func actions() object {
	id := object{"uriVariables": object{"id": object{"@type": "ThingID", "title": "Thing Description ID", "type": "string", "format": "iri-reference"}}}
	query := object{"uriVariables": object{"query": text("A JSONPath query (RFC 9535)")}, "output": object{"type": "array"}}
	one := ThingsPath + "/{id}"
	return object{
		"createAnonymousThing": action("POST", ThingsPath, "Create a Thing Description that has no id", td.MediaType, "", true, nil),
		"createThing":          action("PUT", one, "Create a Thing Description", td.MediaType, "", true, id),
		"retrieveThing":        action("GET", one, "Retrieve a Thing Description", "", td.MediaType, false, id),
		"updateThing":          action("PUT", one, "Update a Thing Description", td.MediaType, "", true, id),
		"partiallyUpdateThing": action("PATCH", one, "Partially update a Thing Description", typeMerge, "", true, id),
		"deleteThing":          action("DELETE", one, "Delete a Thing Description", "", "", true, id),
		"searchJSONPath":       action("GET", SearchPath+"{?query}", "JSONPath search", "", "application/json", false, query),
	}
}

func events() object {
	event := func(title, kind string, diff bool) object {
		e := object{"description": title, "data": object{"title": "Partial or full TD", "type": "object"}}
		href := EventsPath + "/" + kind
		if diff {
			href += "{?diff}"
			e["uriVariables"] = object{"diff": object{"description": "Tell all of a new TD, or what changed of one", "type": "boolean"}}
		}
		e["forms"] = []any{object{
			"href": href, "op": "subscribeevent", "subprotocol": "sse", "contentType": "text/event-stream",
			"htv:headers": []any{object{"description": "ID of the last event for reconnection", "htv:fieldName": "Last-Event-ID"}},
		}}
		return e
	}
	return object{
		"thingCreated": event("Registration of Thing Descriptions inside the directory", "thing_created", true),
		"thingUpdated": event("Updates to Thing Descriptions within the directory", "thing_updated", true),
		"thingDeleted": event("Deletion of Thing Descriptions from the directory", "thing_deleted", false),
	}
}
