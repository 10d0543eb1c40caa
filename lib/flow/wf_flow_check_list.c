/* Lists of things to choose from and of pictures: options, NavigationList, ImageCarousel. Rules 15,
 * 46, 64 (conflicts), 78, 83, 86. */
#include "flow/wf_flow_check_int.h"

#include <string.h>

static int component_is(const wf_scope_t *scope, const char *type)
{
    return scope->kind && strcmp(scope->kind->type, type) == 0;
}

/* Rule 15. */
static void check_count(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const wf_prop_t *prop, size_t count, size_t min, size_t max)
{
    if (count < min) {
        wf_check_error(c, at, WFC_MIN_ITEMS_REQUIRED,
                       "\"%s\" of %s has %" APR_SIZE_T_FMT " items; at least %" APR_SIZE_T_FMT
                       " are needed",
                       prop->name, scope->what, count, min);
    } else if (count > max) {
        wf_check_error(c, at, WFC_MAX_ITEMS_REQUIRED,
                       "\"%s\" of %s has %" APR_SIZE_T_FMT " items; at most %" APR_SIZE_T_FMT
                       " are allowed",
                       prop->name, scope->what, count, max);
    }
}

/* An item that must be an object: its members against the table. */
static int check_item(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                      const wf_json_t *item, const wf_prop_t *props)
{
    if (wf_json_type(item) != WF_JSON_OBJECT) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_TYPE, "%s must be an object, not %s",
                       scope->what, wf_json_type_name(wf_json_type(item)));
        return 0;
    }
    wf_check_members(c, scope, at, item, props);
    return 1;
}

/* ---- rule 46 ---- */

static int is_declared_as(const wf_json_t *properties, const char *key)
{
    const wf_json_t *declared = wf_json_get(properties, key);
    unsigned fits = strcmp(key, "main-content") == 0 ? WF_T_OBJ : WF_T_STR;

    return declared && (wf_data_types(declared) & fits);
}

/* A list in a data model must declare what its elements have. Where only the example shows it, and
 * shows it completely, that is taken for the declaration with a warning (as in rule 42). */
static void check_declared_items(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                                 const wf_ref_t *ref, const char *const *needed)
{
    const wf_json_t *items = wf_json_get(ref->declared, "items");
    const wf_json_t *properties = wf_json_get(items, "properties");
    const wf_json_t *shown = wf_json_at(wf_json_get(ref->declared, "__example__"), 0);
    size_t i;

    if (!ref->declared || wf_data_types(ref->declared) != WF_T_ARR) {
        return;
    }
    for (i = 0; needed[i]; i++) {
        int guessed = wf_json_type(items) != WF_JSON_OBJECT && wf_json_has(shown, needed[i]);
        if (!is_declared_as(properties, needed[i])) {
            wf_check_report(c, guessed ? WF_ISSUE_WARNING : WF_ISSUE_ERROR, at,
                            WFC_INVALID_SCREEN_DYNAMIC_DATA,
                            "the list for %s must declare \"%s\" in its items' \"properties\"",
                            scope->what, needed[i]);
        }
    }
}

/* ---- options ---- */

static size_t options_max(const wf_scope_t *scope, int images)
{
    if (component_is(scope, "Dropdown")) {
        return images ? 100 : 200;
    }
    return 20;
}

/* Rules 64 (an update on the component and on its options) and 78. */
static void check_option_conflicts(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                                   const wf_json_t *option)
{
    static const char *const events[] = {"on-select-action", "on-unselect-action"};
    size_t i;

    for (i = 0; i < 2; i++) {
        const wf_json_t *whole = wf_json_get(scope->component, events[i]);
        if (wf_json_has(option, events[i]) &&
            strcmp(wf_json_get_str(whole, "name", ""), "update_data") == 0) {
            wf_place_t place = wf_place_key(at, events[i]);
            wf_check_error(c, &place, WFC_INVALID_UPDATE_DATA_ACTION_PAYLOAD,
                           "\"%s\" updates data both here and on the %s itself: keep one",
                           events[i], scope->kind->type);
        }
    }
    if (wf_json_has(option, "image") && wf_json_has(option, "color")) {
        wf_check_error(c, at, WFC_DATA_SOURCE_ITEMS_HAVE_BOTH_IMAGE_AND_COLOR,
                       "an option has an image or a color, not both");
    }
}

/* Same ids cannot be told apart in the answer. */
static void check_unique(wf_check_t *c, const wf_place_t *at, apr_hash_t *seen,
                         const wf_json_t *item)
{
    const char *id = wf_json_get_str(item, "id", NULL);
    wf_place_t place = wf_place_key(at, "id");

    if (!id) {
        return;
    }
    if (apr_hash_get(seen, id, APR_HASH_KEY_STRING)) {
        wf_check_warn(c, &place, WFC_INVALID_PROPERTY_VALUE, "id %s is used twice in this list",
                      wf_check_quote(c, id));
    }
    apr_hash_set(seen, id, APR_HASH_KEY_STRING, id);
}

void wf_check_options(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                      const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    static const char *const needed[] = {"id", "title", NULL};
    apr_hash_t *seen = apr_hash_make(c->tmp);
    wf_scope_t inner = *scope;
    size_t i, n = wf_json_len(value);
    int images = 0;

    if (ref) {
        check_declared_items(c, scope, at, ref, needed);
        return;
    }
    inner.what = apr_psprintf(c->tmp, "an option of %s", scope->what);
    for (i = 0; i < n; i++) {
        wf_place_t place = wf_place_index(at, i);
        const wf_json_t *option = wf_json_at(value, i);
        if (check_item(c, &inner, &place, option, wf_props_option)) {
            check_option_conflicts(c, scope, &place, option);
            check_unique(c, &place, seen, option);
            images += wf_json_has(option, "image");
        }
    }
    check_count(c, scope, at, prop, n, component_is(scope, "ChipsSelector") ? 2 : 1,
                options_max(scope, images));
}

/* Meta's page says array, its validator wants a string. */
void wf_check_one_choice(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                         const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    if (ref ? ref->types == WF_T_ARR : wf_json_type(value) == WF_JSON_ARRAY) {
        wf_check_warn(c, at, WFC_INVALID_PROPERTY_TYPE,
                      "\"%s\" of %s should be the id of one option, not a list", prop->name,
                      scope->what);
    }
}

/* ---- NavigationList ---- */

void wf_check_item_main(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                        const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    wf_scope_t inner = *scope;

    (void)prop;
    (void)ref;
    inner.what = "main-content";
    wf_check_members(c, &inner, at, value, wf_props_item_main);
}

void wf_check_item_start(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                         const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    wf_scope_t inner = *scope;

    (void)prop;
    (void)ref;
    inner.what = "start";
    wf_check_members(c, &inner, at, value, wf_props_item_start);
}

void wf_check_item_end(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                       const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    wf_scope_t inner = *scope;

    (void)prop;
    (void)ref;
    inner.what = "end";
    wf_check_members(c, &inner, at, value, wf_props_item_end);
    if (strcmp(wf_json_get_str(scope->component, "media-size", ""), "large") == 0) {
        wf_check_error(c, at, WFC_INVALID_PROPERTY_VALUE_FOR_CONDITION,
                       "\"end\" does not go with \"media-size\": \"large\"");
    }
}

void wf_check_tags(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                   const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    size_t i, n = wf_json_len(value);

    (void)ref;
    check_count(c, scope, at, prop, n, 0, 3);
    for (i = 0; i < n; i++) {
        const wf_json_t *tag = wf_json_at(value, i);
        wf_place_t place = wf_place_index(at, i);
        if (!wf_json_str(tag)) {
            wf_check_error(c, &place, WFC_INVALID_PROPERTY_TYPE, "a tag must be a string, not %s",
                           wf_json_type_name(wf_json_type(tag)));
        } else if (wf_utf8_count(wf_json_str(tag), wf_json_str_len(tag)) > 15) {
            wf_check_warn(c, &place, WFC_MAX_CHARS_REQUIRED, "a tag has at most 15 characters");
        }
    }
}

/* Rule 83: the action is on the list or on every item. */
static void check_item_action(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                              const wf_json_t *item)
{
    int whole = wf_json_has(scope->component, "on-click-action");
    int own = wf_json_has(item, "on-click-action");

    if (whole && own) {
        wf_place_t place = wf_place_key(at, "on-click-action");
        wf_check_error(c, &place, WFC_DUPLICATE_PROPETY_FOR_CONDITION,
                       "\"on-click-action\" is on the list and on this item: keep one");
    } else if (!whole && !own) {
        wf_check_error(c, at, WFC_MISSING_REQUIRED_TYPE_PROPERTY,
                       "\"on-click-action\" is missing: it must be on the list or on every item");
    }
}

void wf_check_list_items(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                         const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    static const char *const needed[] = {"id", "main-content", NULL};
    apr_hash_t *seen = apr_hash_make(c->tmp);
    wf_scope_t inner = *scope;
    size_t i, n = wf_json_len(value);
    int badges = 0;

    if (ref) {
        check_declared_items(c, scope, at, ref, needed);
        return;
    }
    inner.what = "an item of NavigationList";
    inner.in_list_item = 1;
    for (i = 0; i < n; i++) {
        wf_place_t place = wf_place_index(at, i);
        const wf_json_t *item = wf_json_at(value, i);
        if (!check_item(c, &inner, &place, item, wf_props_list_item)) {
            continue;
        }
        check_item_action(c, scope, &place, item);
        check_unique(c, &place, seen, item);
        if (wf_json_has(item, "badge") && ++badges == 2) {
            wf_place_t badge = wf_place_key(&place, "badge");
            wf_check_error(c, &badge, WFC_INVALID_PROPERTY_VALUE_FOR_CONDITION,
                           "only one item of a list may have a badge");
        }
    }
    check_count(c, scope, at, prop, n, 1, 20);
}

/* ---- pictures ---- */

void wf_check_carousel(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                       const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    static const char *const needed[] = {"src", "alt-text", NULL};
    wf_scope_t inner = *scope;
    size_t i, n = wf_json_len(value);

    if (++c->carousels == 4) {
        wf_check_warn(c, at, WFC_COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN,
                      "a flow has at most 3 ImageCarousels");
    }
    if (ref) {
        check_declared_items(c, scope, at, ref, needed);
        return;
    }
    inner.what = "an image of ImageCarousel";
    for (i = 0; i < n; i++) {
        wf_place_t place = wf_place_index(at, i);
        check_item(c, &inner, &place, wf_json_at(value, i), wf_props_carousel_image);
    }
    check_count(c, scope, at, prop, n, 1, 3);
}

static int is_base64(const char *text, size_t len)
{
    size_t i;

    while (len > 0 && text[len - 1] == '=') {
        len--;
    }
    for (i = 0; i < len; i++) {
        char ch = text[i];
        if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') ||
              ch == '+' || ch == '/')) {
            return 0;
        }
    }
    return len > 0;
}

/* In kilobytes: 300 for pictures on the screen, 100 in lists (in option lists since 6.0). */
static size_t image_max_kb(const wf_check_t *c, const wf_scope_t *scope)
{
    if (scope->in_list_item) {
        return 100;
    }
    if (component_is(scope, "Image") || component_is(scope, "ImageCarousel")) {
        return 300;
    }
    return c->version >= WF_FLOW_VERSION(6, 0) ? 100 : 300;
}

/* Rule 86. */
void wf_check_image(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                    const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    const char *text = wf_json_str(value);
    size_t len = wf_json_str_len(value);
    size_t max = image_max_kb(c, scope);
    const char *comma;

    if (ref) {
        return;
    }
    if (strncmp(text, "data:", 5) == 0 && (comma = strchr(text, ','))) {
        wf_check_warn(c, at, WFC_INVALID_PROPERTY_VALUE,
                      "\"%s\" must be bare base64, without a \"data:\" prefix", prop->name);
        len -= (size_t)(comma + 1 - text);
        text = comma + 1;
    }
    if (!is_base64(text, len)) {
        wf_check_warn(c, at, WFC_INVALID_PROPERTY_VALUE,
                      "\"%s\" must be an image in base64 (JPEG or PNG)", prop->name);
    } else if (len / 4 * 3 > max * 1024) {
        wf_check_warn(c, at, WFC_INVALID_PROPERTY_VALUE,
                      "the image has %" APR_SIZE_T_FMT " kB; at most %" APR_SIZE_T_FMT
                      " kB are shown reliably",
                      len / 4 * 3 / 1024, max);
    }
}

void wf_check_color(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                    const wf_prop_t *prop, const wf_json_t *value, const wf_ref_t *ref)
{
    const char *text = wf_json_str(value);

    (void)scope;
    (void)prop;
    if (!ref && (strlen(text) != 6 || strspn(text, "0123456789abcdefABCDEF") != 6)) {
        wf_check_warn(c, at, WFC_PATTERN_MISMATCH,
                      "a color is six hex digits such as 1A2B3C, not %s", wf_check_quote(c, text));
    }
}
