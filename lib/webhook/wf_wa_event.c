/* The envelope: entries, changes, and what of them becomes one event. */
#include "webhook/wf_wa_event_int.h"

#include "crypto/wf_crypto.h"

#include <string.h>

typedef struct {
    wf_ctx_t *ctx;
    apr_array_header_t *events;
    size_t bytes; /* of the payloads so far */
    int overflow;
} list_t;

/* ---- payloads ---- */

static void add_name(wf_ctx_t *ctx, wf_buf_t *out, const char *name)
{
    size_t len;
    const char *quoted = wf_json_text(ctx->pool, wf_json_str_make(ctx->pool, name), &len);

    wf_buf_puts(out, out->data[out->len - 1] == '{' ? "" : ",");
    wf_buf_add(out, quoted, len);
    wf_buf_putc(out, ':');
}

static void add_member(wf_ctx_t *ctx, wf_buf_t *out, const char *name, const wf_json_t *v)
{
    wf_slice_t text = wf_wa_text(ctx, v);

    if (v) {
        add_name(ctx, out, name);
        wf_buf_add(out, text.data, text.len);
    }
}

/* The members of an object that have no place of their own in a payload: nothing that came is
 * dropped. */
static void add_others(wf_ctx_t *ctx, wf_buf_t *out, const char *name, const wf_json_t *object,
                       const char *const *known)
{
    int opened = 0, i;

    for (wf_json_iter_t it = wf_json_iter(object); wf_json_next(&it);) {
        for (i = 0; known[i] && strcmp(known[i], it.key) != 0; i++) {
        }
        if (known[i]) {
            continue;
        }
        if (!opened) {
            add_name(ctx, out, name);
            wf_buf_putc(out, '{');
            opened = 1;
        }
        add_member(ctx, out, it.key, it.value);
    }
    if (opened) {
        wf_buf_putc(out, '}');
    }
}

/* Of several contacts the one it is about; where that cannot be told, all of them with the first
 * event. */
static void add_contacts(wf_ctx_t *ctx, wf_buf_t *out, const wf_wa_change_t *c,
                         const wf_json_t *element)
{
    const wf_json_t *contact = wf_wa_contact(c, element);
    wf_slice_t text = wf_wa_text(ctx, contact);

    if (contact) {
        add_name(ctx, out, "contacts");
        wf_buf_putc(out, '[');
        wf_buf_add(out, text.data, text.len);
        wf_buf_putc(out, ']');
    } else if (c->told == 0) {
        add_member(ctx, out, "contacts", wf_json_get(c->value, "contacts"));
    }
}

/* {"entry_id", "time", "field", "metadata", "contacts", <name>: element}; with the first event of a
 * change also what stood beside: in "value_others", "change_others", "entry_others". `name` "value"
 * has all of it. */
static void set_payload(list_t *l, wf_wa_event_t *e, const wf_wa_change_t *c, const char *name,
                        const wf_json_t *element)
{
    static const char *const in_value[] = {
        "messaging_product", "metadata",         "contacts", "messages",
        "statuses",          "user_preferences", NULL};
    static const char *const in_change[] = {"field", "value", NULL};
    static const char *const in_entry[] = {"id", "time", "changes", NULL};
    wf_ctx_t *ctx = l->ctx;
    wf_buf_t out;

    wf_buf_init(&out, ctx->pool, 1024, WF_WA_PAYLOADS_MAX - l->bytes);
    wf_buf_putc(&out, '{');
    add_member(ctx, &out, "entry_id", wf_json_get(c->entry, "id"));
    add_member(ctx, &out, "time", wf_json_get(c->entry, "time"));
    add_member(ctx, &out, "field", wf_json_get(c->change, "field"));
    if (element != c->value) {
        add_member(ctx, &out, "metadata", wf_json_get(c->value, "metadata"));
        add_contacts(ctx, &out, c, element);
    }
    add_member(ctx, &out, name, element);
    if (c->told == 0) {
        if (element != c->value) {
            add_others(ctx, &out, "value_others", c->value, in_value);
        }
        add_others(ctx, &out, "change_others", c->change, in_change);
        add_others(ctx, &out, "entry_others", c->entry, in_entry);
    }
    wf_buf_putc(&out, '}');
    e->payload = (wf_slice_t){out.data, out.len};
    l->bytes += out.len;
    l->overflow |= out.failed;
}

/* ---- the list ---- */

/* Room for one more event of the change, its ids set; NULL: there are too many. */
static wf_wa_event_t *push(list_t *l, const wf_wa_change_t *c)
{
    wf_wa_event_t *e;

    if (l->overflow || l->events->nelts >= WF_WA_EVENTS_MAX) {
        l->overflow = 1;
        return NULL;
    }
    e = apr_array_push(l->events);
    memset(e, 0, sizeof(*e));
    e->waba_id = c->waba_id;
    e->phone_number_id = c->phone_number_id;
    return e;
}

typedef void read_fn(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_wa_change_t *c,
                     const wf_json_t *element);

static void take_elements(list_t *l, wf_wa_change_t *c, const char *list, const char *name,
                          read_fn *read_element)
{
    const wf_json_t *elements = wf_json_get(c->value, list);
    size_t i, count = wf_json_type(elements) == WF_JSON_ARRAY ? wf_json_len(elements) : 0;
    wf_wa_event_t *e;

    for (i = 0; i < count && (e = push(l, c)) != NULL; i++) {
        const wf_json_t *element = wf_json_at(elements, i);
        read_element(l->ctx, e, c, element);
        set_payload(l, e, c, name, element);
        c->told++;
    }
}

static void take_change(list_t *l, const wf_json_t *entry, const wf_json_t *change)
{
    wf_wa_change_t c = {.entry = entry, .change = change, .value = wf_json_get(change, "value")};
    const char *field = wf_json_get_str(change, "field", NULL);
    wf_wa_event_t *e;

    c.field = field && *field ? field : NULL;
    c.waba_id = wf_wa_id(l->ctx, wf_json_get(entry, "id"));
    c.phone_number_id =
        wf_wa_id(l->ctx, wf_json_get(wf_json_get(c.value, "metadata"), "phone_number_id"));
    take_elements(l, &c, "messages", "message", wf_wa_read_message);
    take_elements(l, &c, "statuses", "status", wf_wa_read_status);
    if (c.field && strcmp(c.field, "user_preferences") == 0) {
        take_elements(l, &c, "user_preferences", "preference", wf_wa_read_preference);
    }
    if (c.told == 0 && (e = push(l, &c)) != NULL) {
        wf_wa_read_other(l->ctx, e, &c);
        set_payload(l, e, &c, c.value ? "value" : "change", c.value ? c.value : change);
    }
}

/* Something in the list of entries that is none: an event of its own, so that the others are read.
 */
static void take_stranger(list_t *l, const wf_json_t *entry)
{
    wf_wa_change_t c = {.entry = entry, .change = entry};
    wf_wa_event_t *e = push(l, &c);

    if (e) {
        c.waba_id = e->waba_id = wf_wa_id(l->ctx, wf_json_get(entry, "id"));
        wf_wa_read_other(l->ctx, e, &c);
        set_payload(l, e, &c, "entry", entry);
    }
}

/* 0: not the envelope, or more than we take apart. */
static int take_entries(list_t *l, const wf_json_t *doc)
{
    const wf_json_t *entries = wf_json_get(doc, "entry");
    size_t i, j;

    if (wf_json_type(entries) != WF_JSON_ARRAY || wf_json_len(entries) == 0) {
        return 0;
    }
    for (i = 0; i < wf_json_len(entries); i++) {
        const wf_json_t *entry = wf_json_at(entries, i), *changes = wf_json_get(entry, "changes");
        if (wf_json_type(changes) != WF_JSON_ARRAY || wf_json_len(changes) == 0) {
            take_stranger(l, entry);
            continue;
        }
        for (j = 0; j < wf_json_len(changes); j++) {
            take_change(l, entry, wf_json_at(changes, j));
        }
    }
    return !l->overflow;
}

static void set_unknown(wf_ctx_t *ctx, wf_wa_event_t *e, const char *body, size_t len)
{
    memset(e, 0, sizeof(*e));
    e->kind = WF_WA_UNKNOWN;
    e->event_type = WF_WA_UNKNOWN_TYPE;
    e->dedup_key = apr_pstrcat(ctx->pool, "post:", wf_sha256_hex(ctx->pool, body, len), NULL);
    e->payload = (wf_slice_t){body, len};
}

void wf_wa_event_raw(wf_ctx_t *ctx, wf_wa_event_t *out, const char *body, size_t len)
{
    const char *text;

    set_unknown(ctx, out, body, len);
    text = apr_pstrcat(ctx->pool, "{\"base64\":\"", wf_base64(ctx->pool, body, len), "\"}", NULL);
    out->payload = (wf_slice_t){text, strlen(text)};
}

wf_status_t wf_wa_events_parse(wf_ctx_t *ctx, apr_array_header_t **events, const char *body,
                               size_t len)
{
    list_t list = {.ctx = ctx};
    wf_json_t *doc;
    wf_status_t st = wf_json_parse_spans(ctx, &doc, body, len, WF_WA_DEPTH);

    *events = NULL;
    if (st != WF_OK) {
        return st;
    }
    list.events = apr_array_make(ctx->pool, 8, sizeof(wf_wa_event_t));
    if (!take_entries(&list, doc)) {
        apr_array_clear(list.events);
        set_unknown(ctx, apr_array_push(list.events), body, len);
    }
    *events = list.events;
    return WF_OK;
}
