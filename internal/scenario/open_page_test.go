package scenario

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"primum/internal/webtest"
)

const (
	openKey = "01/04012345999990/21/7"
	openTD  = `{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Market square","titles":{"de":"Marktplatz"},
		"securityDefinitions":{"nosec_sc":{"scheme":"nosec"}},"security":"nosec_sc",
		"properties":{"pm10":{"title":"Fine dust","titles":{"de":"Feinstaub"},"type":"number","unit":"ug/m3"}}}`
)

// openSquare publishes an air monitor with a GS1 key, and one value of it.
func openSquare(t *testing.T) *namesWorld {
	t.Helper()
	w := startNames(t, "open.localhost")
	w.publish("PUT", "/v1/open/air", "application/json", []byte(`{"title":"Air in town"}`))
	w.publish("PUT", "/v1/open/air/square?key="+openKey, "application/td+json", []byte(openTD))
	w.publish("POST", "/v1/open/air", "application/json", []byte(`{"values":[{"thing":"square","property":"pm10","value":21.5}]}`))
	return w
}

// TestOpenThingByItsDigitalLink: a stranger with nothing but the GS1 key finds
// the page, the description under describedby, and by its forms the value and
// each new one.
func TestOpenThingByItsDigitalLink(t *testing.T) {
	t.Parallel()
	w := openSquare(t)
	status, h, _ := w.ask("GET", "/"+openKey, nil, nil)
	if at := h.Get("Location"); status != 307 || at != w.base+"/open/air/square" {
		t.Errorf("default link: %d %s", status, at)
	}
	status, h, _ = w.ask("GET", "/"+openKey+"?linkType=describedby", nil, nil)
	if status != 307 {
		t.Fatalf("describedby: %d", status)
	}
	_, h, body := w.ask("GET", strings.TrimPrefix(h.Get("Location"), w.base), nil, nil)
	var td struct {
		Properties map[string]struct {
			Forms []struct {
				Href string
				Op   string
			}
		}
	}
	if err := json.Unmarshal(body, &td); err != nil || h.Get("Content-Type") != "application/td+json" {
		t.Fatalf("description: %v %s", err, body)
	}
	forms := map[string]string{}
	for _, f := range td.Properties["pm10"].Forms {
		forms[f.Op] = strings.TrimPrefix(f.Href, w.base)
	}
	if _, _, value := w.ask("GET", forms["readproperty"], nil, nil); string(value) != "21.5" {
		t.Errorf("value: %s", value)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.base+forms["observeproperty"], nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.hc.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	data := func() string {
		for lines.Scan() {
			if d, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return d
			}
		}
		return "end"
	}
	if d := data(); d != "21.5" {
		t.Errorf("first event: %s", d)
	}
	w.publish("POST", "/v1/open/air", "application/json", []byte(`{"values":[{"thing":"square","property":"pm10","value":22}]}`))
	if d := data(); d != "22" {
		t.Errorf("next event: %s", d)
	}
	inDirectory := func() int {
		_, _, list := w.ask("GET", "/things", nil, nil)
		return strings.Count(string(list), `"id":"`+w.base+`/open/air/square"`)
	}
	if n := inDirectory(); n != 1 {
		t.Errorf("the directory has it %d times", n)
	}
	bad := strings.Replace(openTD, `"properties"`, `"links":[{"href":5}],"properties"`, 1)
	if status, _, why := w.ask("PUT", "/v1/open/air/square", http.Header{"Authorization": {"Bearer " + w.token}}, []byte(bad)); status != 400 || !strings.Contains(string(why), `"pointer":"/links/0`) {
		t.Errorf("a bad description: %d %s", status, why)
	}
	// Gone is gone: the links too.
	w.publish("DELETE", "/v1/open/air/square", "", []byte{})
	if status, _, _ = w.ask("GET", "/"+openKey, nil, nil); status == 307 {
		t.Error("a removed thing is still linked")
	}
	if n := inDirectory(); n != 0 {
		t.Errorf("the directory has a removed thing %d times", n)
	}
}

// TestPhoneReadsTheQRCode: the code that a thing's page shows is read from a
// picture of the page, and a browser of a phone's size opens what it says.
func TestPhoneReadsTheQRCode(t *testing.T) {
	t.Parallel()
	w := openSquare(t)
	tab := webtest.NewTab(t)
	tab.Open(w.base + "/open/air/square")
	address := tab.ReadQR("@qr-code")
	if address != w.base+"/"+openKey {
		t.Errorf("the code says %s", address)
	}
	phone := webtest.NewTab(t)
	phone.View(webtest.Phone390)
	phone.Language("de")
	phone.Open(address)
	phone.WaitText("@openthing", "Marktplatz")
	phone.WaitText("@openthing", "21,5")
	phone.Axe()
	phone.Shot("qr-followed", webtest.Phone390, webtest.Phone390|webtest.Dark)
	phone.Click("@class")
	phone.WaitText("@things", "Marktplatz")
}

// TestStreamsEndWithTheirNode: who follows values does not hold up a node that
// stops, and sees a whole answer's end.
func TestStreamsEndWithTheirNode(t *testing.T) {
	t.Parallel()
	w := openSquare(t)
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.base+"/open/air/square/observe", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.hc.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && lines.Text() != `data: {"pm10":21.5}` {
	}
	if err := w.node.Close(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream was torn: %v", err)
	}
}
