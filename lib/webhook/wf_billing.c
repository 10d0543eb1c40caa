#include "webhook/wf_billing.h"

#include "json/wf_json.h"

#include <string.h>

#define SIGNATURES_MAX 16
#define ID_MAX 255
#define TYPE_MAX 128
#define PLAN_MAX 200
/* The year 2200: what is beyond it is no time of Stripe's, and PostgreSQL must be able to hold it. */
#define TIME_MAX INT64_C(7258118400)

/* ---- signature -------------------------------------------------------------------------- */

typedef struct {
    const char *time; /* text, as it is signed */
    size_t time_len;
    int64_t seconds;
    unsigned char macs[SIGNATURES_MAX][WF_SHA256_LEN];
    int count;
} signature_t;

/* 0: no timestamp, several, or one that is no number. */
static int read_signature(apr_pool_t *pool, signature_t *out, const char *header)
{
    memset(out, 0, sizeof(*out));
    while (*header) {
        size_t len = strcspn(header, ",");

        if (len > 2 && strncmp(header, "t=", 2) == 0) {
            if (out->time) {
                return 0;
            }
            out->time = apr_pstrmemdup(pool, header + 2, len - 2);
            out->time_len = len - 2;
        } else if (len == 3 + 2 * WF_SHA256_LEN && strncmp(header, "v1=", 3) == 0 &&
                   out->count < SIGNATURES_MAX) {
            out->count += wf_hex_decode(out->macs[out->count], header + 3, WF_SHA256_LEN);
        }
        header += len;
        header += strspn(header, ", ");
    }
    return out->time && wf_parse_int(&out->seconds, out->time, 0, TIME_MAX);
}

static int fits(const signature_t *signature, const wf_secret_t *secret, const char *content,
                size_t len)
{
    unsigned char mac[WF_SHA256_LEN];
    int found = 0, i;

    if (secret->len == 0) {
        return 0;
    }
    wf_hmac_sha256(mac, secret->data, secret->len, content, len);
    for (i = 0; i < signature->count; i++) {
        found |= wf_ct_equal(mac, signature->macs[i], sizeof(mac));
    }
    return found;
}

wf_status_t wf_billing_verify(wf_ctx_t *ctx, const char *header, const wf_secret_t *secrets,
                              int secret_count, const void *body, size_t len,
                              apr_interval_time_t tolerance)
{
    signature_t signature;
    apr_interval_time_t age;
    char *content;
    int found = 0, i;

    if (!header || !read_signature(ctx->pool, &signature, header) || signature.count == 0) {
        return wf_fail(ctx, WF_EDENIED,
                       WFLOGNO(0490) "Stripe-Signature is missing or malformed");
    }
    content = apr_palloc(ctx->pool, signature.time_len + 1 + len);
    memcpy(content, signature.time, signature.time_len);
    content[signature.time_len] = '.';
    if (len > 0) {
        memcpy(content + signature.time_len + 1, body, len);
    }
    for (i = 0; i < secret_count; i++) {
        found |= fits(&signature, &secrets[i], content, signature.time_len + 1 + len);
    }
    if (!found) {
        return wf_fail(ctx, WF_EDENIED, WFLOGNO(0491) "Stripe-Signature: none fits");
    }
    age = wf_now(ctx) - apr_time_from_sec(signature.seconds);
    if (age > tolerance || age < -tolerance) {
        return wf_fail(ctx, WF_EDENIED,
                       WFLOGNO(0492) "Stripe-Signature is %" APR_INT64_T_FMT
                                     " s old: a repeated request, or a wrong clock",
                       apr_time_sec(age));
    }
    return WF_OK;
}

/* ---- kinds ------------------------------------------------------------------------------ */

static const char *const kind_names[] = {
    [WF_BILLING_OTHER] = "other",
    [WF_BILLING_CHECKOUT] = "checkout",
    [WF_BILLING_SUBSCRIPTION] = "subscription",
    [WF_BILLING_ENDED] = "ended",
    [WF_BILLING_PAID] = "paid",
    [WF_BILLING_FAILED] = "failed",
};
#define KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

static const struct {
    const char *type;
    wf_billing_kind_t kind;
} types[] = {
    {"checkout.session.completed", WF_BILLING_CHECKOUT},
    {"checkout.session.async_payment_succeeded", WF_BILLING_CHECKOUT},
    {"customer.subscription.created", WF_BILLING_SUBSCRIPTION},
    {"customer.subscription.updated", WF_BILLING_SUBSCRIPTION},
    {"customer.subscription.paused", WF_BILLING_SUBSCRIPTION},
    {"customer.subscription.resumed", WF_BILLING_SUBSCRIPTION},
    {"customer.subscription.deleted", WF_BILLING_ENDED},
    {"invoice.paid", WF_BILLING_PAID},
    {"invoice.payment_succeeded", WF_BILLING_PAID},
    {"invoice.payment_failed", WF_BILLING_FAILED},
};

const char *wf_billing_kind_name(wf_billing_kind_t kind)
{
    return kind_names[kind];
}

wf_billing_kind_t wf_billing_kind_find(const char *name)
{
    size_t i;

    for (i = 0; name && i < KINDS; i++) {
        if (strcmp(kind_names[i], name) == 0) {
            return (wf_billing_kind_t)i;
        }
    }
    return WF_BILLING_OTHER;
}

static wf_billing_kind_t kind_of(const char *type)
{
    size_t i;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].type, type) == 0) {
            return types[i].kind;
        }
    }
    return WF_BILLING_OTHER;
}

/* ---- reading an event ------------------------------------------------------------------- */

/* The text of a value of 1 to `max` printable characters without NUL, else NULL. */
static const char *word(apr_pool_t *pool, const wf_json_t *value, size_t max)
{
    const char *text = wf_json_str(value);
    size_t len = text ? wf_json_str_len(value) : 0, i;

    for (i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return NULL;
        }
    }
    return len >= 1 && len <= max ? apr_pstrdup(pool, text) : NULL;
}

/* An object that is named by its id, or stands there whole ("expanded"). */
static const char *id_of(apr_pool_t *pool, const wf_json_t *value)
{
    return word(pool, wf_json_type(value) == WF_JSON_OBJECT ? wf_json_get(value, "id") : value,
                ID_MAX);
}

static int64_t time_of(const wf_json_t *object, const char *key)
{
    int64_t t = wf_json_get_int(object, key, 0);

    return t > 0 && t < TIME_MAX ? t : 0;
}

static void read_company(apr_pool_t *pool, wf_billing_event_t *e, const wf_json_t *metadata)
{
    const char *id = word(pool, wf_json_get(metadata, "company_id"), WF_UUID_LEN);
    const char *slug = word(pool, wf_json_get(metadata, "company_slug"), 63);

    if (!e->company_id && id && wf_uuid_is(id)) {
        e->company_id = id;
    }
    if (!e->company_slug && slug && wf_slug_is(slug)) {
        e->company_slug = slug;
    }
}

static void read_checkout(apr_pool_t *pool, wf_billing_event_t *e, const wf_json_t *object)
{
    const char *reference = word(pool, wf_json_get(object, "client_reference_id"), 200);
    const char *payment = wf_json_get_str(object, "payment_status", "");

    e->subscription_id = id_of(pool, wf_json_get(object, "subscription"));
    /* "unpaid": a bank transfer that may still come; async_payment_succeeded tells. */
    e->status = strcmp(payment, "unpaid") == 0 ? "incomplete" : "active";
    /* Whoever opens a payment link chooses this one, so metadata comes first. */
    if (reference && !e->company_id && !e->company_slug) {
        if (wf_uuid_is(reference)) {
            e->company_id = reference;
        } else if (wf_slug_is(reference)) {
            e->company_slug = reference;
        }
    }
}

static void read_subscription(apr_pool_t *pool, wf_billing_event_t *e, const wf_json_t *object)
{
    const wf_json_t *item = wf_json_at(wf_json_get(wf_json_get(object, "items"), "data"), 0);
    const wf_json_t *price = wf_json_get(item, "price");

    e->subscription_id = e->object_id;
    e->status = word(pool, wf_json_get(object, "status"), 64);
    e->period_end = time_of(object, "current_period_end");
    if (!e->period_end) {
        e->period_end = time_of(item, "current_period_end"); /* since API 2025-03-31 */
    }
    if (!e->plan) {
        e->plan = word(pool, wf_json_get(wf_json_get(price, "metadata"), "plan"), PLAN_MAX);
    }
    if (!e->plan) {
        e->plan = word(pool, wf_json_get(price, "lookup_key"), PLAN_MAX);
    }
}

/* Until API 2025-03-31 an invoice named its subscription itself, then by its parent. */
static void read_invoice(apr_pool_t *pool, wf_billing_event_t *e, const wf_json_t *object)
{
    const wf_json_t *details =
        wf_json_get(wf_json_get(object, "parent"), "subscription_details");

    e->subscription_id = id_of(pool, wf_json_get(object, "subscription"));
    if (!e->subscription_id) {
        e->subscription_id = id_of(pool, wf_json_get(details, "subscription"));
    }
    read_company(pool, e, wf_json_get(details, "metadata"));
    read_company(pool, e,
                 wf_json_get(wf_json_get(object, "subscription_details"), "metadata"));
    e->plan = NULL; /* an invoice tells who paid, not for what */
}

static void read_object(apr_pool_t *pool, wf_billing_event_t *e, const wf_json_t *object)
{
    const wf_json_t *metadata = wf_json_get(object, "metadata");

    e->object_id = id_of(pool, object);
    e->customer_id = id_of(pool, wf_json_get(object, "customer"));
    read_company(pool, e, metadata);
    e->plan = word(pool, wf_json_get(metadata, "plan"), PLAN_MAX);
    switch (e->kind) {
    case WF_BILLING_CHECKOUT:
        read_checkout(pool, e, object);
        break;
    case WF_BILLING_SUBSCRIPTION:
    case WF_BILLING_ENDED:
        read_subscription(pool, e, object);
        break;
    case WF_BILLING_PAID:
    case WF_BILLING_FAILED:
        read_invoice(pool, e, object);
        break;
    case WF_BILLING_OTHER:
        break;
    }
}

wf_status_t wf_billing_event_parse(wf_ctx_t *ctx, wf_billing_event_t *out, const char *text,
                                   size_t len)
{
    wf_json_t *doc, *object;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if ((st = wf_json_parse(ctx, &doc, text, len, 0)) != WF_OK) {
        return st;
    }
    out->id = word(ctx->pool, wf_json_get(doc, "id"), ID_MAX);
    out->type = word(ctx->pool, wf_json_get(doc, "type"), TYPE_MAX);
    out->created = time_of(doc, "created");
    object = wf_json_get(wf_json_get(doc, "data"), "object");
    if (!out->id || !out->type || !out->created || wf_json_type(object) != WF_JSON_OBJECT) {
        return wf_fail_public(ctx, WF_EINVALID,
                              WFLOGNO(0493) "not an event: id, type, created and data.object "
                                            "expected");
    }
    out->kind = kind_of(out->type);
    read_object(ctx->pool, out, object);
    return WF_OK;
}
