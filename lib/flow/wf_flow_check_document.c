/* The document and its screens: rules 2-8, 17-23, 25, 27, 28. */
#include "flow/wf_flow_check_int.h"

#include <ctype.h>
#include <string.h>

static const wf_place_t root = {NULL, NULL, 0};

/* ---- versions ---- */

/* Rules 2-4. Without a usable version the rest is checked as if it were the newest. Rule 5 (a
 * version not open to this account) is Meta's alone to know. */
static void check_flow_version(wf_check_t *c)
{
    const wf_json_t *value = wf_json_get(c->doc, "version");
    const char *text = wf_json_str(value);
    const wf_flow_version_t *version = text ? wf_flow_version_find(text) : NULL;
    const wf_flow_version_t *newest = wf_flow_version_newest();
    wf_place_t place = wf_place_key(&root, "version");

    c->version = version ? version->number : newest->number;
    c->version_known = version != NULL;
    if (!value) {
        wf_check_error(c, &root, WFC_MISSING_FLOW_JSON_VERSION,
                       "\"version\" is missing; the newest is \"%s\"", newest->text);
    } else if (!text) {
        wf_check_error(c, &place, WFC_INVALID_FLOW_JSON_VERSION,
                       "\"version\" must be a string such as \"%s\", not %s", newest->text,
                       wf_json_type_name(wf_json_type(value)));
        if (!wf_flow_version_find(wf_json_text(c->tmp, value, NULL))) {
            wf_check_error(c, &place, WFC_UNSUPPORTED_FLOW_JSON_VERSION,
                           "there is no such version of Flow JSON; the newest is \"%s\"",
                           newest->text);
        }
    } else if (!version) {
        wf_check_error(c, &place, WFC_INVALID_FLOW_JSON_VERSION,
                       "there is no version %s of Flow JSON; the newest is \"%s\"",
                       wf_check_quote(c, text), newest->text);
    } else if (version->state == WF_VERSION_EXPIRED) {
        wf_check_error(c, &place, WFC_UNSUPPORTED_FLOW_JSON_VERSION,
                       "version %s has expired; move to \"%s\"", text, newest->text);
    } else if (version->state == WF_VERSION_FROZEN) {
        wf_check_warn(c, &place, WFC_UNSUPPORTED_FLOW_JSON_VERSION,
                      "version %s is frozen: such a flow can be sent, but not published; move to "
                      "\"%s\"",
                      text, newest->text);
    }
}

static int is_version_text(const char *text)
{
    size_t major = strspn(text, "0123456789");
    size_t minor;

    if (major == 0 || text[major] != '.') {
        return 0;
    }
    minor = strspn(text + major + 1, "0123456789");
    return minor > 0 && text[major + 1 + minor] == '\0';
}

/* Rule 6. */
static void check_data_api_version(wf_check_t *c)
{
    const wf_json_t *value = wf_json_get(c->doc, "data_api_version");
    const char *text = wf_json_str(value);
    wf_place_t place = wf_place_key(&root, "data_api_version");

    c->has_api = value != NULL;
    if (!value) {
        return;
    }
    if (!text || !is_version_text(text)) {
        wf_check_error(c, &place, WFC_INVALID_DATA_API_VERSION,
                       "\"data_api_version\" must be a string: \"3.0\" or \"4.0\"");
    }
    if ((text && is_version_text(text) && !wf_data_api_version_is(text)) ||
        (!c->version_known && wf_json_has(c->doc, "version"))) {
        wf_check_error(c, &place, WFC_NO_SUPPORTED_DATA_API_VERSION,
                       "there is no data API %s for this version of Flow JSON; use \"3.0\" or "
                       "\"4.0\"",
                       text ? wf_check_quote(c, text) : "of that kind");
    }
}

void wf_check_versions(wf_check_t *c)
{
    check_flow_version(c);
    check_data_api_version(c);
}

/* ---- first look at the screens ---- */

static void collect(wf_check_t *c, wf_screen_t *screen, const wf_place_t *at, const wf_json_t *json)
{
    const wf_json_t *data = wf_json_get(json, "data");

    screen->json = json;
    screen->id = wf_json_get_str(json, "id", NULL);
    screen->data = wf_json_len(data) > 0 ? data : NULL;
    screen->terminal = wf_check_means_true(wf_json_get(json, "terminal"));
    screen->inputs = apr_hash_make(c->tmp);
    if (screen->id && apr_hash_get(c->by_id, screen->id, APR_HASH_KEY_STRING)) {
        wf_place_t place = wf_place_key(at, "id");
        wf_check_error(c, &place, WFC_DUPLICATE_SCREEN_IDS, "screen id %s is used twice",
                       wf_check_quote(c, screen->id));
    } else if (screen->id) {
        apr_hash_set(c->by_id, screen->id, APR_HASH_KEY_STRING, screen);
    }
    wf_check_structure(c, screen, at);
}

/* Rule 18, and what references from other screens need to know: ids, data models, inputs. Beyond
 * WF_SCREENS_MAX the document is refused anyway (rule 17) and not read on. */
void wf_check_collect_screens(wf_check_t *c)
{
    const wf_json_t *screens = wf_json_get(c->doc, "screens");
    wf_place_t list = wf_place_key(&root, "screens");
    size_t i, n = wf_json_type(screens) == WF_JSON_ARRAY ? wf_json_len(screens) : 0;

    c->by_id = apr_hash_make(c->tmp);
    c->screen_count = n < WF_SCREENS_MAX ? n : WF_SCREENS_MAX;
    c->screens = apr_pcalloc(c->tmp, (c->screen_count + 1) * sizeof(*c->screens));
    for (i = 0; i < c->screen_count; i++) {
        wf_place_t place = wf_place_index(&list, i);
        c->screens[i].index = i;
        collect(c, &c->screens[i], &place, wf_json_at(screens, i));
    }
}

/* ---- members of a screen ---- */

/* Rules 14, 19, 20. */
void wf_check_screen_id(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    const char *id = wf_json_str(value);
    const char *p = id;

    (void)scope;
    (void)prop;
    if (ref) {
        return;
    }
    while (isalpha((unsigned char)*p) || *p == '_') {
        p++;
    }
    if (*p) {
        wf_check_error(c, at, WFC_PATTERN_MISMATCH,
                       "screen id %s must consist of letters and underscores only",
                       wf_check_quote(c, id));
    }
    if (apr_strnatcasecmp(id, "SUCCESS") == 0) {
        wf_check_error(c, at, WFC_SCREEN_ID_IS_RESERVED_KEYWORD,
                       "%s is reserved: an endpoint answers it to end the flow; choose another id",
                       wf_check_quote(c, id));
    }
}

/* Rule 27. */
void wf_check_sensitive(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    size_t i, n = wf_json_len(value);

    (void)prop;
    (void)ref;
    for (i = 0; i < n; i++) {
        const char *name = wf_json_str(wf_json_at(value, i));
        wf_place_t place = wf_place_index(at, i);
        if (!name || !apr_hash_get(scope->screen->inputs, name, APR_HASH_KEY_STRING)) {
            wf_check_error(c, &place, WFC_INVALID_SENSITIVE_FIELD,
                           "%s is not the name of an input of this screen",
                           name ? wf_check_quote(c, name) : "this");
        }
    }
}

/* Rules 23 and 25. */
static void check_flags(wf_check_t *c, const wf_screen_t *screen, const wf_place_t *at)
{
    if (wf_json_has(screen->json, "success") && !screen->terminal) {
        wf_place_t place = wf_place_key(at, "success");
        wf_check_error(c, &place, WFC_NOT_KEYWORD_SCHEMA_VALIDATION_FAILED,
                       "\"success\" belongs to terminal screens only");
    }
    if (wf_check_means_true(wf_json_get(screen->json, "refresh_on_back")) && !c->has_api) {
        wf_place_t place = wf_place_key(at, "refresh_on_back");
        wf_check_error(c, &place, WFC_INVALID_PROPERTY_VALUE,
                       "\"refresh_on_back\" needs an endpoint: set \"data_api_version\" at the top "
                       "of the flow");
    }
}

static void check_screen(wf_check_t *c, wf_screen_t *screen, const wf_place_t *at)
{
    wf_scope_t scope = {.screen = screen, .what = "a screen"};

    if (wf_json_type(screen->json) != WF_JSON_OBJECT) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_TYPE, "a screen must be an object, not %s",
                       wf_json_type_name(wf_json_type(screen->json)));
        return;
    }
    wf_check_members(c, &scope, at, screen->json, wf_props_screen);
    check_flags(c, screen, at);
}

/* Rules 21 and 22. */
static void check_ends(wf_check_t *c, const wf_place_t *at)
{
    size_t i;
    int terminal = 0, successful = 0;

    for (i = 0; i < c->screen_count; i++) {
        const wf_json_t *success = wf_json_get(c->screens[i].json, "success");
        terminal += c->screens[i].terminal;
        successful += c->screens[i].terminal && (!success || wf_check_means_true(success));
    }
    if (c->screen_count > 0 && !terminal) {
        wf_check_error(c, at, WFC_MISSING_TERMINAL_SCREEN,
                       "no screen ends the flow: one needs \"terminal\": true");
    } else if (terminal && !successful) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_VALUE,
                       "at least one terminal screen must not have \"success\": false");
    }
}

/* Rules 15 and 17. */
void wf_check_screens(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                      const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    size_t i, n = wf_json_len(value);

    (void)scope;
    (void)prop;
    (void)ref;
    if (n == 0) {
        wf_check_error(c, at, WFC_MIN_ITEMS_REQUIRED, "a flow needs one screen at least");
    } else if (n > 100) {
        wf_check_error(c, at, WFC_MAX_SCREENS_NUMBER,
                       "a flow has at most 100 screens, this one has %" APR_SIZE_T_FMT, n);
    }
    for (i = 0; i < c->screen_count; i++) {
        wf_place_t place = wf_place_index(at, i);
        check_screen(c, &c->screens[i], &place);
    }
    check_ends(c, at);
}

void wf_check_document(wf_check_t *c)
{
    wf_scope_t scope = {.what = "a flow"};

    wf_check_members(c, &scope, &root, c->doc, wf_props_document);
}
