// Package homeassistant reads Home Assistant MQTT discovery as Thing
// Descriptions, device states as values, and writes commands; and it makes
// discovery messages, so that a value somebody shares simply appears in one's
// own home automation. It is pure: topics and payloads in, reports and
// payloads out. Source: home-assistant.io/integrations/mqtt.
//
// There is no template engine here: a template is taken when it is a plain
// path into the payload ({{ value_json.a['b'] }}), which nearly all are; what
// is not is listed as not mapped.
package homeassistant
