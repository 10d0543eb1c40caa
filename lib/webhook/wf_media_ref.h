/* L3, pure: references to files that users sent in a flow (WHATSAPP.md section 3): finding them,
 * and putting our own name of the file in their place. */
#ifndef WF_MEDIA_REF_H
#define WF_MEDIA_REF_H

#include "base/wf_base.h"
#include "crypto/wf_crypto.h"
#include "json/wf_json.h"

#define WF_MEDIA_REFS_MAX 30 /* of one exchange or message */
#define WF_MEDIA_BYTES_MAX ((int64_t)25600 * 1024)
/* MAC and padding of an encrypted one. */
#define WF_MEDIA_OVERHEAD 64

#define WF_MEDIA_PENDING "pending"
#define WF_MEDIA_STORED "stored"
#define WF_MEDIA_FAILED "failed"
#define WF_MEDIA_EXPIRED "expired"

typedef enum {
    WF_MEDIA_FROM_CDN,  /* encrypted, came to the endpoint: 3.2 */
    WF_MEDIA_FROM_GRAPH /* named in a completion message: 3.4 */
} wf_media_source_t;

typedef struct {
    wf_media_source_t source;
    char id[WF_UUID_LEN + 1]; /* ours; the same reference of the same owner has the same one */
    const char *media_id;     /* Meta's */
    const char *file_name;    /* for people only: never a path */
    const char *mime_type;    /* NULL: not told */
    const char *sha256;       /* hex, of the plaintext */
    const char *cdn_url;      /* WF_MEDIA_FROM_CDN */
    wf_media_keys_t keys;     /* WF_MEDIA_FROM_CDN */
} wf_media_ref_t;

/* Finds the references in *doc (an exchange's data, a response_json) and, where there is one, makes
 * *doc a copy in which {id, media_id, file_name, mime_type, sha256, status: "pending"} stands in
 * its place: neither keys nor link. Returns the references (const wf_media_ref_t *, in secret
 * memory). `owner` is what the files belong to (a session's token hash, a message id): the same
 * reference of another owner has another id. An object that looks like a reference of 3.2 and is
 * not valid, or is one too many, becomes {media_id, file_name, status: "failed", reason} and is not
 * returned. */
apr_array_header_t *wf_media_refs_take(wf_ctx_t *ctx, wf_json_t **doc, const char *company_id,
                                       const char *owner);

/* Makes *text, JSON that is kept as it came, a copy without the keys and links of references of 3.2,
 * wherever they stand, also in JSON that is the text of a string (response_json). Left as it is, letter
 * for letter, where there are none. */
void wf_media_keys_hide(wf_ctx_t *ctx, wf_slice_t *text);

/* What has to be kept secret of a reference of 3.2 until the file is here (bytes in secret memory;
 * NULL and 0 for one of 3.4), and back: fills cdn_url and keys. Expected failure: WF_EINVALID. */
const char *wf_media_ref_secret(apr_pool_t *pool, const wf_media_ref_t *ref, size_t *len);
wf_status_t wf_media_ref_secret_parse(wf_ctx_t *ctx, wf_media_ref_t *out, const char *text,
                                      size_t len) WF_MUST_CHECK;

/* Where files may be fetched from: suffixes of host names (".whatsapp.net", https only) and, for
 * test set-ups, whole origins, which may be plain http ("http://127.0.0.1:8080"). NULL or what is
 * wrong. */
const char *wf_media_host_check(const char *rule);
/* `rules` of const char *. 0 for every URL of a form that two readers could understand differently.
 */
int wf_media_url_allowed(const apr_array_header_t *rules, const char *url);

/* The type of a file by its first bytes, or `told`, or "application/octet-stream". */
const char *wf_media_sniff(const void *data, size_t len, const char *told);
#define WF_MEDIA_SNIFF_LEN 64

#endif
