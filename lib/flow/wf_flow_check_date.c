/* Dates: rule 79, and 77 for days. */
#include "flow/wf_flow_check_int.h"

#include <ctype.h>
#include <string.h>

#define MS_PER_DAY 86400000

/* Days since 1970 in the proleptic Gregorian calendar (H. Hinnant's days_from_civil). */
static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
    int64_t era, year_of_era, day_of_year;

    y -= m <= 2;
    era = y / 400;
    year_of_era = y - era * 400;
    day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

/* "2026-03-01", a day that exists. */
static int parse_day(int64_t *days, const char *text)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d, leap, i;

    for (i = 0; i < 10; i++) {
        if (i == 4 || i == 7 ? text[i] != '-' : !isdigit((unsigned char)text[i])) {
            return 0;
        }
    }
    y = (text[0] - '0') * 1000 + (text[1] - '0') * 100 + (text[2] - '0') * 10 + (text[3] - '0');
    m = (text[5] - '0') * 10 + (text[6] - '0');
    d = (text[8] - '0') * 10 + (text[9] - '0');
    leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (text[10] || m < 1 || m > 12 || d < 1 || d > lengths[m - 1] + (m == 2 && leap)) {
        return 0;
    }
    *days = days_from_civil(y, m, d);
    return 1;
}

/* A static date in either form; references have none. */
static int date_of(int64_t *days, const wf_json_t *value)
{
    const char *text = wf_json_str(value);
    int64_t ms;

    if (!text) {
        return 0;
    }
    if (wf_parse_int(&ms, text, 0, INT64_MAX)) {
        *days = ms / MS_PER_DAY;
        return 1;
    }
    return parse_day(days, text);
}

/* Days since 5.0, milliseconds before; before 5.0 days only warn, as flows have them. */
static void check_date(wf_check_t *c, const wf_place_t *at, wf_check_code_t code,
                       const wf_json_t *value)
{
    const char *text = wf_json_str(value);
    int64_t n;

    if (text && parse_day(&n, text)) {
        if (c->version < WF_FLOW_VERSION(5, 0)) {
            wf_check_warn(c, at, code,
                          "before version 5.0 a date is a string of milliseconds since 1970");
        }
        return;
    }
    if (text && c->version < WF_FLOW_VERSION(5, 0) && wf_parse_int(&n, text, 0, INT64_MAX)) {
        return;
    }
    wf_check_error(c, at, code,
                   "a date is written \"YYYY-MM-DD\", for example \"2026-03-01\"; %s is "
                   "none",
                   text ? wf_check_quote(c, text) : wf_json_type_name(wf_json_type(value)));
}

void wf_check_date(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                   const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    (void)scope;
    (void)prop;
    if (!ref) {
        check_date(c, at, WFC_INVALID_PROPERTY_VALUE_FORMAT, value);
    }
}

void wf_check_dates(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                    const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    size_t i, n = ref ? 0 : wf_json_len(value);

    (void)scope;
    (void)prop;
    for (i = 0; i < n; i++) {
        wf_place_t place = wf_place_index(at, i);
        check_date(c, &place, WFC_INVALID_PROPERTY_VALUE_FORMAT, wf_json_at(value, i));
    }
}

void wf_check_days_of_week(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                           const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    static const char *const days = "Mon Tue Wed Thu Fri Sat Sun";
    size_t i, n = ref ? 0 : wf_json_len(value);

    (void)scope;
    for (i = 0; i < n; i++) {
        const char *day = wf_json_str(wf_json_at(value, i));
        wf_place_t place = wf_place_index(at, i);
        if (!day || strlen(day) != 3 || !strstr(days, day)) {
            wf_check_error(c, &place, WFC_INVALID_ENUM_VALUE, "\"%s\" holds some of: %s",
                           prop->name, days);
        }
    }
}

/* ---- modes of CalendarPicker ---- */

typedef enum { MODE_SINGLE, MODE_RANGE, MODE_OPEN } calendar_mode_t;

static calendar_mode_t mode_of(const wf_scope_t *scope)
{
    const char *mode = wf_json_get_str(scope->component, "mode", "single");

    if (strcmp(scope->kind->type, "CalendarPicker") != 0 || strcmp(mode, "single") == 0) {
        return MODE_SINGLE;
    }
    return strcmp(mode, "range") == 0 ? MODE_RANGE : MODE_OPEN;
}

static void check_range_parts(wf_check_t *c, const wf_place_t *at, const char *name,
                              const wf_json_t *value)
{
    static const char *const parts[] = {"start-date", "end-date"};
    size_t i;

    for (i = 0; i < 2; i++) {
        if (!wf_json_has(value, parts[i])) {
            wf_check_error(c, at, WFC_MISSING_CALENDAR_PICKER_RANGE_MODE_PROP,
                           "\"%s\" of a range has \"start-date\" and \"end-date\"; \"%s\" is "
                           "missing",
                           name, parts[i]);
        }
    }
}

void wf_check_date_init(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    calendar_mode_t mode = mode_of(scope);

    if (ref || mode == MODE_OPEN) {
        return;
    }
    if (mode == MODE_SINGLE) {
        check_date(c, at, WFC_INVALID_DATE_SINGLE_INIT_VALUE_FORMAT, value);
    } else if (wf_json_type(value) == WF_JSON_OBJECT) {
        check_range_parts(c, at, prop->name, value);
        for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
            wf_place_t place = wf_place_key(at, it.key);
            const char *text = wf_json_str(it.value);
            if (!text || wf_check_text_form(text, strlen(text)) == WF_TEXT_STATIC) {
                check_date(c, &place, WFC_INVALID_PROPERTY_VALUE_FORMAT, it.value);
            }
        }
    } else {
        wf_check_warn(c, at, WFC_MISSING_CALENDAR_PICKER_RANGE_MODE_PROP,
                      "\"%s\" of a range should be {\"start-date\": ..., \"end-date\": ...}",
                      prop->name);
    }
}

/* The properties that only one mode has. Sources differ on whether label, helper-text, required and
 * error-message of a range are objects or plain: both are accepted. */
void wf_check_calendar_mode(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                            const wf_json_t *component)
{
    static const char *const range_only[] = {"title", "description", "min-days", "max-days", NULL};
    calendar_mode_t mode = mode_of(scope);
    const wf_prop_t *p;
    size_t i;

    for (i = 0; mode == MODE_SINGLE && range_only[i]; i++) {
        if (wf_json_has(component, range_only[i])) {
            wf_place_t place = wf_place_key(at, range_only[i]);
            wf_check_error(c, &place, WFC_UNEXPECTED_CALENDAR_PICKER_RANGE_MODE_PROP,
                           "\"%s\" belongs to \"mode\": \"range\" only", range_only[i]);
        }
    }
    for (p = scope->kind->props; p->name; p++) {
        const wf_json_t *value = wf_json_get(component, p->name);
        wf_place_t place = wf_place_key(at, p->name);
        if (!(p->flags & WF_P_RANGE_OBJECT) || !value) {
            continue;
        }
        if (wf_json_type(value) == WF_JSON_OBJECT && mode == MODE_SINGLE) {
            wf_check_error(c, &place, WFC_UNEXPECTED_CALENDAR_PICKER_RANGE_MODE_PROP,
                           "an object as \"%s\" belongs to \"mode\": \"range\" only", p->name);
        } else if (wf_json_type(value) == WF_JSON_OBJECT) {
            check_range_parts(c, &place, p->name, value);
        } else if (mode == MODE_RANGE) {
            wf_check_warn(c, &place, WFC_MISSING_CALENDAR_PICKER_RANGE_MODE_PROP,
                          "\"%s\" of a range should have \"start-date\" and \"end-date\"; some "
                          "clients take a plain value",
                          p->name);
        }
    }
}

/* ---- limits ---- */

typedef struct {
    int has_min, has_max;
    int64_t min, max;
} limits_t;

static void check_within(wf_check_t *c, const wf_place_t *at, const limits_t *limits,
                         const wf_json_t *value)
{
    int64_t day;

    if (date_of(&day, value) &&
        ((limits->has_min && day < limits->min) || (limits->has_max && day > limits->max))) {
        wf_check_error(c, at, WFC_INVALID_DATE_RANGE,
                       "\"init-value\" lies outside \"min-date\" and \"max-date\"");
    }
}

static int days_of(int64_t *out, const wf_json_t *component, const char *key)
{
    const wf_json_t *value = wf_json_get(component, key);

    *out = wf_json_int(value);
    return wf_json_type(value) == WF_JSON_NUMBER;
}

/* min-days and max-days, and a first range that keeps to them. */
static void check_days(wf_check_t *c, const wf_place_t *at, const wf_json_t *component)
{
    const wf_json_t *init = wf_json_get(component, "init-value");
    int64_t min, max, start, end;
    int has_min = days_of(&min, component, "min-days");
    int has_max = days_of(&max, component, "max-days");
    wf_place_t place = wf_place_key(at, has_min ? "min-days" : "max-days");

    if ((has_min && min < 1) || (has_max && max < 1)) {
        wf_check_error(c, &place, WFC_INVALID_MIN_MAX_DAYS,
                       "\"min-days\" and \"max-days\" must be at least 1");
    }
    if (has_min && has_max && min > max) {
        wf_check_error(c, &place, WFC_INVALID_MIN_MAX_DAYS,
                       "\"min-days\" must not be greater than \"max-days\"");
    }
    if (date_of(&start, wf_json_get(init, "start-date")) &&
        date_of(&end, wf_json_get(init, "end-date"))) {
        wf_place_t init_place = wf_place_key(at, "init-value");
        int64_t days = end - start + 1;
        if (days < 1) {
            wf_check_error(c, &init_place, WFC_INVALID_DATE_RANGE,
                           "\"start-date\" is after \"end-date\"");
        } else if ((has_min && days < min) || (has_max && days > max)) {
            wf_check_error(c, &init_place, WFC_INVALID_MIN_MAX_DAYS,
                           "\"init-value\" has fewer days than \"min-days\" or more than "
                           "\"max-days\"");
        }
    }
}

void wf_check_date_limits(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                          const wf_json_t *component)
{
    const wf_json_t *init = wf_json_get(component, "init-value");
    wf_place_t min_place = wf_place_key(at, "min-date");
    wf_place_t init_place = wf_place_key(at, "init-value");
    limits_t limits;

    (void)scope;
    limits.has_min = date_of(&limits.min, wf_json_get(component, "min-date"));
    limits.has_max = date_of(&limits.max, wf_json_get(component, "max-date"));
    if (limits.has_min && limits.has_max && limits.min > limits.max) {
        wf_check_error(c, &min_place, WFC_INVALID_DATE_RANGE, "\"min-date\" is after \"max-date\"");
    } else {
        check_within(c, &init_place, &limits, init);
        check_within(c, &init_place, &limits, wf_json_get(init, "start-date"));
        check_within(c, &init_place, &limits, wf_json_get(init, "end-date"));
    }
    check_days(c, at, component);
}
