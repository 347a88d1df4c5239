package homeassistant

import "strings"

// abbreviations are pairs "short long" of members that are read here; others
// stay as they are.
const abbreviations = `
act_t action_topic
act_tpl action_template
avty availability
avty_t availability_topic
bri_cmd_t brightness_command_topic
bri_cmd_tpl brightness_command_template
bri_scl brightness_scale
bri_stat_t brightness_state_topic
bri_val_tpl brightness_value_template
clr_temp_cmd_t color_temp_command_topic
clr_temp_cmd_tpl color_temp_command_template
clr_temp_stat_t color_temp_state_topic
clr_temp_val_tpl color_temp_value_template
cmd_t command_topic
cmd_tpl command_template
cmps components
cns connections
curr_hum_t current_humidity_topic
curr_hum_tpl current_humidity_template
curr_temp_t current_temperature_topic
curr_temp_tpl current_temperature_template
dev device
dev_cla device_class
dir_cmd_t direction_command_topic
dir_cmd_tpl direction_command_template
dir_stat_t direction_state_topic
dir_val_tpl direction_value_template
dock_t docked_topic
ent_cat entity_category
evt_typ event_types
fan_mode_cmd_t fan_mode_command_topic
fan_mode_cmd_tpl fan_mode_command_template
fan_mode_stat_t fan_mode_state_topic
fan_mode_stat_tpl fan_mode_state_template
fx_cmd_t effect_command_topic
fx_cmd_tpl effect_command_template
fx_list effect_list
fx_stat_t effect_state_topic
fx_val_tpl effect_value_template
hum_cmd_t target_humidity_command_topic
hum_cmd_tpl target_humidity_command_template
hum_stat_t target_humidity_state_topic
hum_state_tpl target_humidity_state_template
ids identifiers
l_ver_t latest_version_topic
l_ver_tpl latest_version_template
max_hum max_humidity
max_mirs max_mireds
mf manufacturer
min_hum min_humidity
min_mirs min_mireds
mdl model
mode_cmd_t mode_command_topic
mode_cmd_tpl mode_command_template
mode_stat_t mode_state_topic
mode_stat_tpl mode_state_template
o origin
obj_id object_id
ops options
osc_cmd_t oscillation_command_topic
osc_cmd_tpl oscillation_command_template
osc_stat_t oscillation_state_topic
osc_val_tpl oscillation_value_template
p platform
pct_cmd_t percentage_command_topic
pct_cmd_tpl percentage_command_template
pct_stat_t percentage_state_topic
pct_val_tpl percentage_value_template
pl payload
pl_cls payload_close
pl_cln_sp payload_clean_spot
pl_home payload_home
pl_inst payload_install
pl_loc payload_locate
pl_lock payload_lock
pl_not_home payload_not_home
pl_off payload_off
pl_on payload_on
pl_open payload_open
pl_osc_off payload_oscillation_off
pl_osc_on payload_oscillation_on
pl_paus payload_pause
pl_prs payload_press
pl_ret payload_return_to_base
pl_stop payload_stop
pl_strt payload_start
pl_unlk payload_unlock
pos_clsd position_closed
pos_open position_open
pos_t position_topic
pos_tpl position_template
pr_mode_cmd_t preset_mode_command_topic
pr_mode_cmd_tpl preset_mode_command_template
pr_mode_stat_t preset_mode_state_topic
pr_mode_val_tpl preset_mode_value_template
pr_modes preset_modes
rgb_cmd_t rgb_command_topic
rgb_cmd_tpl rgb_command_template
rgb_stat_t rgb_state_topic
rgb_val_tpl rgb_value_template
set_pos_t set_position_topic
set_pos_tpl set_position_template
spd_rng_max speed_range_max
spd_rng_min speed_range_min
stat_cla state_class
stat_clsd state_closed
stat_closing state_closing
stat_locked state_locked
stat_off state_off
stat_on state_on
stat_open state_open
stat_opening state_opening
stat_stopped state_stopped
stat_t state_topic
stat_unlocked state_unlocked
stat_val_tpl state_value_template
stype subtype
sug_area suggested_area
sw sw_version
swing_mode_cmd_t swing_mode_command_topic
swing_mode_cmd_tpl swing_mode_command_template
swing_mode_stat_t swing_mode_state_topic
swing_mode_stat_tpl swing_mode_state_template
t topic
temp_cmd_t temperature_command_topic
temp_cmd_tpl temperature_command_template
temp_hi_cmd_t temperature_high_command_topic
temp_hi_cmd_tpl temperature_high_command_template
temp_hi_stat_t temperature_high_state_topic
temp_hi_stat_tpl temperature_high_state_template
temp_lo_cmd_t temperature_low_command_topic
temp_lo_cmd_tpl temperature_low_command_template
temp_lo_stat_t temperature_low_state_topic
temp_lo_stat_tpl temperature_low_state_template
temp_stat_t temperature_state_topic
temp_stat_tpl temperature_state_template
temp_unit temperature_unit
tilt_cmd_t tilt_command_topic
tilt_cmd_tpl tilt_command_template
tilt_status_t tilt_status_topic
tilt_status_tpl tilt_status_template
uniq_id unique_id
unit_of_meas unit_of_measurement
val_tpl value_template
`

// expander writes members of a configuration in full.
type expander map[string]string

func newExpander() expander {
	e := expander{}
	fields := strings.Fields(abbreviations)
	for i := 0; i+1 < len(fields); i += 2 {
		e[fields[i]] = fields[i+1]
	}
	return e
}

// expand is a copy of a configuration with long names, and with "~" replaced
// by the base topic at the beginning or end of every topic. A long name wins
// over its short form.
func (e expander) expand(short map[string]any) map[string]any {
	base, _ := short["~"].(string)
	long := make(map[string]any, len(short))
	for name, v := range short {
		full, abbreviated := e[name]
		if !abbreviated {
			full = name
		} else if _, both := short[full]; both {
			continue
		}
		if s, ok := v.(string); ok && base != "" && strings.HasSuffix(full, "topic") {
			v = expandBase(s, base)
		}
		long[full] = v
	}
	return long
}

func expandBase(s, base string) string {
	if rest, ok := strings.CutPrefix(s, "~"); ok {
		return base + rest
	}
	if rest, ok := strings.CutSuffix(s, "~"); ok {
		return rest + base
	}
	return s
}
