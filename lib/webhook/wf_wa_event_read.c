/* What single messages, statuses and other changes say. */
#include "webhook/wf_wa_event_int.h"

#include "crypto/wf_crypto.h"

#include <ctype.h>
#include <string.h>

#define YEAR_3000_S INT64_C(32503680000)
#define REPLACEMENT "\xEF\xBF\xBD"
#define CATEGORY_MAX 32

/* ---- values ---- */

wf_slice_t wf_wa_text(wf_ctx_t *ctx, const wf_json_t *v)
{
    wf_slice_t text = wf_json_span(v);

    if (!text.data && v) {
        text.data = wf_json_text(ctx->pool, v, &text.len);
    }
    return text;
}

const char *wf_wa_id(wf_ctx_t *ctx, const wf_json_t *v)
{
    const char *text = wf_json_str(v);
    size_t len = wf_json_str_len(v);

    if (wf_json_type(v) == WF_JSON_NUMBER) {
        wf_slice_t digits = wf_wa_text(ctx, v);
        text = apr_pstrmemdup(ctx->pool, digits.data, digits.len);
        len = digits.len;
    }
    if (!text || len == 0 || len > WF_WA_ID_MAX || strlen(text) != len ||
        strstr(text, REPLACEMENT)) {
        return NULL;
    }
    return text;
}

apr_time_t wf_wa_time(const wf_json_t *v)
{
    const char *text = wf_json_str(v);
    int64_t n = 0;

    if (text ? !wf_parse_int(&n, text, 1, INT64_MAX) : !wf_json_is_int(v)) {
        return 0;
    }
    n = text ? n : wf_json_int(v);
    if (n > YEAR_3000_S && n / 1000 <= YEAR_3000_S) {
        n /= 1000;
    }
    return n > 0 && n <= YEAR_3000_S ? apr_time_from_sec(n) : 0;
}

static void add_word(wf_buf_t *out, const char *text, const char *also)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        wf_buf_putc(out, isascii(c) && (isalnum(c) || strchr(also, c)) ? (char)tolower(c) : '_');
    }
}

const char *wf_wa_type(wf_ctx_t *ctx, const char *a, const char *b, const char *c)
{
    const char *const parts[] = {a, b, c};
    wf_buf_t out;
    size_t i;

    /* A type that is cut off is still one: the payload has the whole name. */
    wf_buf_init(&out, ctx->pool, WF_WA_TYPE_MAX + 1, WF_WA_TYPE_MAX);
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i] && *parts[i]) {
            if (out.len > 0) {
                wf_buf_putc(&out, '.');
            }
            add_word(&out, parts[i], "_.-");
        }
    }
    return out.len > 0 ? out.data : WF_WA_UNKNOWN_TYPE;
}

const char *wf_wa_word(wf_ctx_t *ctx, const wf_json_t *v)
{
    const char *text = wf_json_str(v);
    wf_buf_t out;

    if (!text || !*text) {
        return NULL;
    }
    wf_buf_init(&out, ctx->pool, WF_WA_TYPE_MAX + 1, WF_WA_TYPE_MAX);
    add_word(&out, text, "_-");
    return out.data;
}

/* ---- keys ---- */

static void add_part(wf_buf_t *out, wf_slice_t part)
{
    wf_buf_printf(out, "%" APR_SIZE_T_FMT ":", part.len);
    if (part.len > 0) {
        wf_buf_add(out, part.data, part.len);
    }
}

/* entry.id, field, the element or value, entry.time: what else names a change that has no id. */
static const char *hash_key(wf_ctx_t *ctx, const wf_wa_change_t *c, const wf_json_t *element)
{
    wf_slice_t text = wf_wa_text(ctx, element);
    wf_buf_t all;

    wf_buf_init(&all, ctx->pool, 256 + text.len, SIZE_MAX / 2);
    add_part(&all, wf_wa_text(ctx, wf_json_get(c->entry, "id")));
    add_part(&all, wf_wa_text(ctx, wf_json_get(c->change, "field")));
    add_part(&all, wf_wa_text(ctx, wf_json_get(c->entry, "time")));
    add_part(&all, text);
    wf_buf_puts(&all, c->change == c->entry ? "entry" : element == c->change ? "change" : "");
    return apr_pstrcat(ctx->pool, "hash:", wf_sha256_hex(ctx->pool, all.data, all.len), NULL);
}

/* ---- people ---- */

static int same_text(const wf_json_t *a, const wf_json_t *b)
{
    return a && b && wf_json_equal(a, b);
}

/* A message names its sender by telephone number, by business-scoped id, or by the one in place of
 * the other. */
const wf_json_t *wf_wa_contact(const wf_wa_change_t *c, const wf_json_t *element)
{
    static const char *const names[] = {"from", "from_user_id", "wa_id", "user_id"};
    const wf_json_t *contacts = wf_json_get(c->value, "contacts");
    size_t i, j, count = wf_json_type(contacts) == WF_JSON_ARRAY ? wf_json_len(contacts) : 0;

    if (count == 1) {
        return wf_json_at(contacts, 0);
    }
    /* A batch names each sender once; more would make this quadratic. */
    for (i = 0; i < count && i < 1000; i++) {
        const wf_json_t *contact = wf_json_at(contacts, i);
        for (j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            const wf_json_t *name = wf_json_get(element, names[j]);
            if (same_text(name, wf_json_get(contact, "wa_id")) ||
                same_text(name, wf_json_get(contact, "user_id"))) {
                return contact;
            }
        }
    }
    return NULL;
}

static const char *first_id(wf_ctx_t *ctx, const wf_json_t *object, const char *const *names)
{
    const char *found = NULL;

    for (; *names && !found; names++) {
        found = wf_wa_id(ctx, wf_json_get(object, *names));
    }
    return found;
}

static const char *contact_of(wf_ctx_t *ctx, const wf_wa_change_t *c, const wf_json_t *element)
{
    static const char *const own[] = {"wa_id", "from", NULL}, *const in_contact[] = {"wa_id", NULL},
                             *const scoped[] = {"from_user_id", "user_id", NULL},
                             *const scoped_contact[] = {"user_id", NULL};
    const wf_json_t *contact = wf_wa_contact(c, element);
    const char *found = first_id(ctx, element, own);

    found = found ? found : first_id(ctx, contact, in_contact);
    found = found ? found : first_id(ctx, element, scoped);
    return found ? found : first_id(ctx, contact, scoped_contact);
}

/* ---- messages ---- */

/* Some senders leave `type` out; the member that holds the content names it too. */
static const char *message_type(const wf_json_t *message)
{
    static const char *const types[] = {
        "text",     "image",  "video",       "audio", "document", "sticker", "location", "contacts",
        "reaction", "button", "interactive", "order", "system",   "edit",    "revoke"};
    const char *type = wf_json_get_str(message, "type", NULL);
    size_t i;

    for (i = 0; (!type || !*type) && i < sizeof(types) / sizeof(types[0]); i++) {
        type = wf_json_has(message, types[i]) ? types[i] : NULL;
    }
    return type && *type ? type : WF_WA_UNKNOWN_TYPE;
}

/* A text that holds JSON, as it should be; or the JSON itself, as one page of the documentation has
 * it. */
static void read_response(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_json_t *given)
{
    const char *text = wf_json_str(given);
    wf_slice_t inner = wf_wa_text(ctx, given);

    e->response_text = given ? inner : (wf_slice_t){"null", 4};
    if (text) {
        inner = (wf_slice_t){text, wf_json_str_len(given)};
    }
    /* Parsed anew also where it came as JSON: the tree may be copied and changed. */
    if (!given || wf_json_parse(ctx, &e->response, inner.data, inner.len, 0) != WF_OK) {
        wf_ctx_clear(ctx);
        return;
    }
    e->response_text = inner;
    e->flow_token = wf_wa_id(ctx, wf_json_get(e->response, "flow_token"));
}

/* Other senders of nfm_reply exist (address messages) and give their own name. */
static void read_flow_reply(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_json_t *reply)
{
    const char *name = wf_json_get_str(reply, "name", "flow");

    read_response(ctx, e, wf_json_get(reply, "response_json"));
    /* Also where the answers broke off. */
    e->is_flow_reply =
        strcmp(name, "flow") == 0 ||
        strstr(wf_json_get_str(reply, "response_json", ""), "\"flow_token\"") != NULL ||
        wf_json_has(e->response, "flow_token");
    if (e->is_flow_reply) {
        e->event_type = WF_WA_FLOW_COMPLETED;
    }
}

void wf_wa_read_message(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_wa_change_t *c,
                        const wf_json_t *message)
{
    const wf_json_t *interactive = wf_json_get(message, "interactive"), *reply;
    const char *type = message_type(message), *kind = NULL;

    e->kind = WF_WA_MESSAGE;
    e->message_id = wf_wa_id(ctx, wf_json_get(message, "id"));
    e->context_id = wf_wa_id(ctx, wf_json_get(wf_json_get(message, "context"), "id"));
    e->contact = contact_of(ctx, c, message);
    e->at = wf_wa_time(wf_json_get(message, "timestamp"));
    e->dedup_key = e->message_id ? apr_pstrcat(ctx->pool, "message:", e->message_id, NULL)
                                 : hash_key(ctx, c, message);
    if (strcmp(type, "interactive") == 0) {
        reply = wf_json_get(interactive, "nfm_reply");
        kind = wf_json_get_str(interactive, "type", reply ? "nfm_reply" : NULL);
        e->event_type = wf_wa_type(ctx, "message", type, kind);
        if (kind && strcmp(kind, "nfm_reply") == 0) {
            read_flow_reply(ctx, e, reply);
        }
        return;
    }
    e->event_type = wf_wa_type(ctx, "message", type, NULL);
}

/* ---- statuses ---- */

void wf_wa_read_status(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_wa_change_t *c,
                       const wf_json_t *status)
{
    static const char *const people[] = {"recipient_id", "recipient_user_id", NULL},
                             *const members[] = {"recipient_participant_id",
                                                 "recipient_participant_user_id", "recipient_id",
                                                 NULL};
    int is_group = strcmp(wf_json_get_str(status, "recipient_type", ""), "group") == 0;
    const char *who = is_group ? first_id(ctx, status, members) : NULL;

    e->kind = WF_WA_STATUS;
    e->message_id = wf_wa_id(ctx, wf_json_get(status, "id"));
    e->contact = first_id(ctx, status, people);
    e->at = wf_wa_time(wf_json_get(status, "timestamp"));
    e->status = wf_wa_word(ctx, wf_json_get(status, "status"));
    e->event_type = wf_wa_type(ctx, "status", e->status ? e->status : WF_WA_UNKNOWN_TYPE, NULL);
    if (!e->message_id || !e->status || (who && strlen(who) > WF_WA_ID_MAX / 2)) {
        e->dedup_key = hash_key(ctx, c, status);
        return;
    }
    /* In a group each member's "read" is its own. */
    e->dedup_key = apr_pstrcat(ctx->pool, "status:", e->message_id, ":", e->status,
                               who ? ":" : NULL, who, NULL);
}

/* ---- other fields ---- */

void wf_wa_read_preference(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_wa_change_t *c,
                           const wf_json_t *preference)
{
    const char *category = wf_wa_word(ctx, wf_json_get(preference, "category"));
    size_t len = category ? strlen(category) : 0;

    e->kind = WF_WA_PREFERENCE;
    e->event_type = wf_wa_type(ctx, c->field, NULL, NULL);
    e->dedup_key = hash_key(ctx, c, preference);
    e->contact = contact_of(ctx, c, preference);
    e->at = wf_wa_time(wf_json_get(preference, "timestamp"));
    e->status = wf_wa_word(ctx, wf_json_get(preference, "value"));
    e->category =
        len > 0 && len <= CATEGORY_MAX && islower((unsigned char)*category) ? category : "all";
}

void wf_wa_read_other(wf_ctx_t *ctx, wf_wa_event_t *e, const wf_wa_change_t *c)
{
    const char *event = wf_json_get_str(c->value, "event", NULL);

    e->kind = c->field ? WF_WA_OTHER : WF_WA_UNKNOWN;
    e->dedup_key = hash_key(ctx, c, c->value ? c->value : c->change);
    e->at = wf_wa_time(wf_json_get(c->entry, "time"));
    if (!c->field) {
        e->event_type = WF_WA_UNKNOWN_TYPE;
    } else if (strcmp(c->field, "flows") == 0) {
        e->kind = WF_WA_FLOW;
        e->flow_id = wf_wa_id(ctx, wf_json_get(c->value, "flow_id"));
        e->status = wf_wa_word(ctx, wf_json_get(c->value, "event"));
        e->event_type = wf_wa_type(ctx, "flow", event ? event : WF_WA_UNKNOWN_TYPE, NULL);
    } else {
        if (!event && wf_json_has(c->value, "errors")) {
            event = "errors"; /* what went wrong with a message, without the message */
        }
        e->event_type = wf_wa_type(ctx, c->field, event, NULL);
    }
}
