#include "webhook/wf_media_ref.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 16 /* references stand near the top; deeper data is not searched */
#define HIDE_DEPTH_MAX 300 /* keys are hidden wherever they stand: deeper than any webhook is taken */
#define METADATA "encryption_metadata"
#define HIDDEN "[redacted]"
#define MEDIA_ID_MAX 128
#define FILE_NAME_MAX 255
#define MIME_MAX 100

typedef struct search_t search_t;
/* What shall stand in the place of a value; NULL: the value, if nothing inside it changes. */
typedef wf_json_t *replace_fn(search_t *s, const wf_json_t *value, int depth);

struct search_t {
    wf_ctx_t *ctx;
    replace_fn *replace;
    int depth_max;
    /* of name_value */
    apr_array_header_t *refs;
    const char *company_id, *owner;
};

/* ---- one reference -----------------------------------------------------------------------------
 */

/* A text that can be stored and shown: short, no control characters. */
static const char *clean_text(apr_pool_t *pool, const wf_json_t *value, size_t max)
{
    const char *text = wf_json_str(value);
    size_t len = wf_json_str_len(value), i;

    if (!text || len == 0 || len > max || strlen(text) != len) {
        return NULL;
    }
    for (i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            return NULL;
        }
    }
    return apr_pstrdup(pool, text); /* the document may be gone before the reference */
}

static int decode_exactly(unsigned char *out, size_t len, const wf_json_t *value)
{
    unsigned char bytes[WF_BASE64_MAX(64)];
    const char *text = wf_json_str(value);
    size_t text_len = wf_json_str_len(value), got;
    int ok = text && text_len <= 64 && wf_base64_decode(bytes, &got, text, text_len) && got == len;

    if (ok) {
        memcpy(out, bytes, len);
    }
    wf_wipe(bytes, sizeof(bytes));
    return ok;
}

/* NULL, or what is wrong with a reference of 3.2. */
static const char *read_cdn(wf_media_ref_t *ref, apr_pool_t *pool, const wf_json_t *o)
{
    const wf_json_t *meta = wf_json_get(o, METADATA);

    ref->source = WF_MEDIA_FROM_CDN;
    ref->cdn_url = clean_text(pool, wf_json_get(o, "cdn_url"), WF_URL_MAX);
    if (!ref->media_id) {
        return "media_id is not a short text";
    }
    if (wf_url_fault(ref->cdn_url)) {
        return "cdn_url is no URL of a server";
    }
    if (!decode_exactly(ref->keys.encrypted_hash, sizeof(ref->keys.encrypted_hash),
                        wf_json_get(meta, "encrypted_hash")) ||
        !decode_exactly(ref->keys.plaintext_hash, sizeof(ref->keys.plaintext_hash),
                        wf_json_get(meta, "plaintext_hash")) ||
        !decode_exactly(ref->keys.iv, sizeof(ref->keys.iv), wf_json_get(meta, "iv")) ||
        !decode_exactly(ref->keys.encryption_key, sizeof(ref->keys.encryption_key),
                        wf_json_get(meta, "encryption_key")) ||
        !decode_exactly(ref->keys.hmac_key, sizeof(ref->keys.hmac_key),
                        wf_json_get(meta, "hmac_key"))) {
        return "encryption_metadata is not base64 of the right lengths";
    }
    ref->sha256 = wf_hex(pool, ref->keys.plaintext_hash, sizeof(ref->keys.plaintext_hash));
    return NULL;
}

/* 1 for a reference of 3.4. Its id goes into a URL of ours: digits, as Meta's are. The hash comes
 * as hex or as base64. */
static int read_graph(wf_media_ref_t *ref, apr_pool_t *pool, const wf_json_t *o)
{
    unsigned char hash[WF_SHA256_LEN];
    const wf_json_t *sha = wf_json_get(o, "sha256");
    const char *id = wf_json_str(wf_json_get(o, "id"));

    if (!id || strlen(id) > 32 || id[0] == '\0' || id[strspn(id, "0123456789")] ||
        !ref->mime_type || !wf_json_str(sha)) {
        return 0;
    }
    if (!(wf_json_str_len(sha) == 2 * WF_SHA256_LEN &&
          wf_hex_decode(hash, wf_json_str(sha), WF_SHA256_LEN)) &&
        !decode_exactly(hash, sizeof(hash), sha)) {
        return 0;
    }
    ref->source = WF_MEDIA_FROM_GRAPH;
    ref->media_id = apr_pstrdup(pool, id);
    ref->sha256 = wf_hex(pool, hash, sizeof(hash));
    return 1;
}

/* A UUID (version 8: made from what it names) of company, owner and reference. */
static void name_ref(apr_pool_t *pool, wf_media_ref_t *ref, const search_t *s)
{
    unsigned char hash[WF_SHA256_LEN];
    const char *text =
        apr_pstrcat(pool, s->company_id, "|", s->owner, "|", ref->sha256, "|", ref->media_id, NULL);

    wf_sha256(hash, text, strlen(text));
    hash[6] = (unsigned char)((hash[6] & 0x0f) | 0x80);
    hash[8] = (unsigned char)((hash[8] & 0x3f) | 0x80);
    wf_uuid_encode(ref->id, hash);
}

/* ---- the document ------------------------------------------------------------------------------
 */

static wf_json_t *failed_name(apr_pool_t *pool, const wf_media_ref_t *ref, const char *reason)
{
    wf_json_t *name = wf_json_object_make(pool);

    wf_json_set_str(name, "media_id", ref->media_id);
    wf_json_set_str(name, "file_name", ref->file_name);
    wf_json_set_str(name, "status", WF_MEDIA_FAILED);
    wf_json_set_str(name, "reason", reason);
    return name;
}

static wf_json_t *name_of(apr_pool_t *pool, const wf_media_ref_t *ref)
{
    wf_json_t *name = wf_json_object_make(pool);

    wf_json_set_str(name, "id", ref->id);
    wf_json_set_str(name, "media_id", ref->media_id);
    wf_json_set_str(name, "file_name", ref->file_name);
    wf_json_set_str(name, "mime_type", ref->mime_type);
    wf_json_set_str(name, "sha256", ref->sha256);
    wf_json_set_str(name, "status", WF_MEDIA_PENDING);
    return name;
}

/* The name of what `value` refers to, or NULL where it is no reference. */
static wf_json_t *name_value(search_t *s, const wf_json_t *value, int depth)
{
    apr_pool_t *pool = s->ctx->pool;
    wf_media_ref_t *ref;
    const char *fault = NULL;

    if (wf_json_type(value) != WF_JSON_OBJECT) {
        return NULL;
    }
    ref = wf_secret_alloc(pool, sizeof(*ref));
    ref->media_id = clean_text(pool, wf_json_get(value, "media_id"), MEDIA_ID_MAX);
    ref->file_name = clean_text(pool, wf_json_get(value, "file_name"), FILE_NAME_MAX);
    ref->mime_type = clean_text(pool, wf_json_get(value, "mime_type"), MIME_MAX);
    if (wf_json_has(value, METADATA)) {
        fault = read_cdn(ref, pool, value);
    } else if (!read_graph(ref, pool, value)) {
        return NULL;
    }
    if (!fault && s->refs->nelts >= WF_MEDIA_REFS_MAX) {
        fault = "more files than a flow may send";
    }
    if (fault) {
        return failed_name(pool, ref, fault);
    }
    name_ref(pool, ref, s);
    APR_ARRAY_PUSH(s->refs, const wf_media_ref_t *) = ref;
    return name_of(pool, ref);
}

static wf_json_t *replaced(search_t *s, wf_json_t *value, int depth);

/* NULL where no member changed, as in the functions below. */
static wf_json_t *replaced_array(search_t *s, const wf_json_t *array, int depth)
{
    size_t count = wf_json_len(array), i, j;
    wf_json_t *copy = NULL;

    for (i = 0; i < count; i++) {
        wf_json_t *value = wf_json_at(array, i), *instead = replaced(s, value, depth);

        if (instead && !copy) {
            copy = wf_json_array_make(s->ctx->pool);
            for (j = 0; j < i; j++) {
                wf_json_push(copy, wf_json_at(array, j));
            }
        }
        if (copy) {
            wf_json_push(copy, instead ? instead : value);
        }
    }
    return copy;
}

static wf_json_t *replaced_object(search_t *s, const wf_json_t *object, int depth)
{
    wf_json_t *copy = NULL;

    for (wf_json_iter_t it = wf_json_iter(object); wf_json_next(&it);) {
        wf_json_t *instead = replaced(s, it.value, depth);

        if (instead && !copy) {
            copy = wf_json_object_copy(s->ctx->pool, object);
        }
        if (instead) {
            wf_json_set(copy, it.key, instead);
        }
    }
    return copy;
}

static wf_json_t *replaced(search_t *s, wf_json_t *value, int depth)
{
    wf_json_t *instead = s->replace(s, value, depth);

    if (instead || depth >= s->depth_max) {
        return instead;
    }
    return wf_json_type(value) == WF_JSON_ARRAY ? replaced_array(s, value, depth + 1)
                                                : replaced_object(s, value, depth + 1);
}

apr_array_header_t *wf_media_refs_take(wf_ctx_t *ctx, wf_json_t **doc, const char *company_id,
                                       const char *owner)
{
    search_t s = {.ctx = ctx,
                  .replace = name_value,
                  .depth_max = DEPTH_MAX,
                  .refs = apr_array_make(ctx->pool, 2, sizeof(const wf_media_ref_t *)),
                  .company_id = company_id,
                  .owner = owner};
    wf_json_t *copy = replaced(&s, *doc, 0);

    if (copy) {
        *doc = copy;
    }
    return s.refs;
}

/* ---- keys in what is kept as it came
 * -----------------------------------------------------------------
 */

static wf_json_t *without_keys(search_t *s, const wf_json_t *reference, int depth)
{
    wf_json_t *copy = wf_json_object_copy(s->ctx->pool, reference), *inside;

    wf_json_set_str(copy, METADATA, HIDDEN);
    wf_json_remove(copy, "cdn_url");
    inside = replaced_object(s, copy, depth + 1);
    return inside ? inside : copy;
}

static wf_json_t *hide_in_text(search_t *s, const char *text, size_t len, int depth);

static wf_json_t *hide_value(search_t *s, const wf_json_t *value, int depth)
{
    const char *text = wf_json_str(value), *start = text;
    wf_json_t *inner;

    if (wf_json_has(value, METADATA)) {
        return without_keys(s, value, depth);
    }
    if (!text || !memmem(text, wf_json_str_len(value), METADATA, strlen(METADATA))) {
        return NULL;
    }
    while (*start && strchr(" \t\r\n", *start)) {
        start++;
    }
    if (*start != '{' && *start != '[') {
        return NULL; /* somebody writes about them */
    }
    inner = hide_in_text(s, text, wf_json_str_len(value), depth);
    if (!inner || wf_json_type(inner) == WF_JSON_STRING) {
        return inner;
    }
    return wf_json_str_make(s->ctx->pool, wf_json_text(s->ctx->pool, inner, NULL));
}

/* The text as a tree in which they are hidden; NULL: there are none. What cannot be read (answers that
 * break off) is hidden whole. */
static wf_json_t *hide_in_text(search_t *s, const char *text, size_t len, int depth)
{
    wf_json_t *doc;

    if (depth >= s->depth_max ||
        wf_json_parse(s->ctx, &doc, text, len, HIDE_DEPTH_MAX) != WF_OK) {
        wf_ctx_clear(s->ctx);
        return wf_json_str_make(s->ctx->pool, HIDDEN);
    }
    return replaced(s, doc, depth + 1);
}

void wf_media_keys_hide(wf_ctx_t *ctx, wf_slice_t *text)
{
    search_t s = {.ctx = ctx, .replace = hide_value, .depth_max = HIDE_DEPTH_MAX};
    wf_json_t *hidden;

    if (!text->data || !memmem(text->data, text->len, METADATA, strlen(METADATA))) {
        return;
    }
    hidden = hide_in_text(&s, text->data, text->len, 0);
    if (hidden) {
        text->data = wf_json_text(ctx->pool, hidden, &text->len);
    }
}

/* ---- the secret part
 * ----------------------------------------------------------------------------- */

const char *wf_media_ref_secret(apr_pool_t *pool, const wf_media_ref_t *ref, size_t *len)
{
    char *text;
    size_t size;

    *len = 0;
    if (ref->source != WF_MEDIA_FROM_CDN) {
        return NULL;
    }
    size = sizeof(ref->keys) + strlen(ref->cdn_url);
    text = wf_secret_alloc(pool, size + 1);
    memcpy(text, &ref->keys, sizeof(ref->keys));
    memcpy(text + sizeof(ref->keys), ref->cdn_url, size - sizeof(ref->keys));
    *len = size;
    return text;
}

wf_status_t wf_media_ref_secret_parse(wf_ctx_t *ctx, wf_media_ref_t *out, const char *text,
                                      size_t len)
{
    if (len <= sizeof(out->keys)) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0527) "a stored file reference is cut off");
    }
    memcpy(&out->keys, text, sizeof(out->keys));
    out->cdn_url = apr_pstrmemdup(ctx->pool, text + sizeof(out->keys), len - sizeof(out->keys));
    if (wf_url_fault(out->cdn_url)) {
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0528) "a stored file reference has no URL");
    }
    return WF_OK;
}

/* ---- where from
 * ---------------------------------------------------------------------------------- */

const char *wf_media_host_check(const char *rule)
{
    wf_url_t url;

    if (strchr(rule, '/')) {
        return !wf_url_split(&url, rule) && *url.rest == '\0'
                   ? NULL
                   : "an origin is http(s)://host or http(s)://host:port and nothing more";
    }
    if (rule[0] != '.' || rule[1] == '\0' || rule[1] == '.' ||
        rule[strspn(rule, "abcdefghijklmnopqrstuvwxyz0123456789.-")]) {
        return "use the end of a host name, in lower case, with its dot in front (e.g. "
               ".whatsapp.net), or an origin";
    }
    return NULL;
}

/* The same scheme, host and port as written. */
static int is_origin(const char *rule, const char *url)
{
    size_t len = strlen(rule);

    return strncasecmp(url, rule, len) == 0 &&
           (url[len] == '\0' || url[len] == '/' || url[len] == '?');
}

int wf_media_url_allowed(const apr_array_header_t *rules, const char *url)
{
    wf_url_t parts;
    int is_443, i;

    if (!rules || wf_url_split(&parts, url)) {
        return 0;
    }
    is_443 = parts.port.len == 0 ||
             (parts.port.len == 3 && strncmp(parts.port.data, "443", 3) == 0);
    for (i = 0; i < rules->nelts; i++) {
        const char *rule = APR_ARRAY_IDX(rules, i, const char *);
        size_t len = strlen(rule);

        if (rule[0] != '.') {
            if (is_origin(rule, url)) {
                return 1;
            }
        } else if (parts.is_https && is_443 && parts.host.len > len &&
                   strncasecmp(parts.host.data + parts.host.len - len, rule, len) == 0) {
            return 1;
        }
    }
    return 0;
}

/* ---- what it is
 * ------------------------------------------------------------------------------------ */

static const struct {
    size_t at, len;
    const char *bytes, *type;
} magics[] = {
    {0, 3, "\xff\xd8\xff", "image/jpeg"},
    {0, 8, "\x89PNG\r\n\x1a\n", "image/png"},
    {0, 4, "GIF8", "image/gif"},
    {0, 5, "%PDF-", "application/pdf"},
    {8, 4, "WEBP", "image/webp"},
    {4, 8, "ftypavif", "image/avif"},
    {4, 8, "ftypheic", "image/heic"},
    {4, 8, "ftypheix", "image/heic"},
    {4, 8, "ftypmif1", "image/heif"},
    {4, 4, "ftyp", "video/mp4"},
    {0, 4, "II*\0", "image/tiff"},
    {0, 4, "MM\0*", "image/tiff"},
    {0, 2, "\x1f\x8b", "application/gzip"},
    {0, 6, "7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"},
    {0, 4, "\0\0\1\xba", "video/mpeg"},
    /* Last, because what is told may be a kind of it (documents of office programs). */
    {0, 4, "PK\3\4", "application/zip"},
};

static int is_zip_kind(const char *told)
{
    return told && (strncmp(told, "application/vnd.", 16) == 0);
}

const char *wf_media_sniff(const void *data, size_t len, const char *told)
{
    size_t i;

    for (i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (len >= magics[i].at + magics[i].len &&
            memcmp((const char *)data + magics[i].at, magics[i].bytes, magics[i].len) == 0) {
            return strcmp(magics[i].type, "application/zip") == 0 && is_zip_kind(told)
                       ? told
                       : magics[i].type;
        }
    }
    return told ? told : "application/octet-stream";
}
