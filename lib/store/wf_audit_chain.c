/* The chain of audit rows, computed without the code that made it (wflows.audit_chain). */
#include "store/wf_audit_store.h"
#include "store/wf_store_int.h"

#include <string.h>

#define FORM "wfa1"

/* Columns of WF_SQL_AUDIT_CHAIN. */
enum {
    SEQ,
    ID,
    CREATED_US,
    KIND, /* of actor: what stands before its colon */
    ACTION,
    RESOURCE_TYPE,
    SALT,
    DETAILS_HASH,
    HASH,
    DETAILS, /* the first of those that are hashed with the salt */
    COLUMNS = DETAILS + 9
};

typedef struct {
    wf_ctx_t *ctx; /* of the page that is read */
    const char *company_id;
    const wf_audit_mark_t *mark;
    wf_audit_check_t *out;
    unsigned char before[WF_SHA256_LEN]; /* hash of the row before */
    int64_t first_erased;
    int erasure_seen;
    int64_t head_seq; /* as it was before the walk */
    const char *head_hash;
} walk_t;

static int broken(walk_t *walk, int64_t seq, const char *reason)
{
    walk->out->broken_seq = seq;
    walk->out->reason = reason;
    return 0;
}

/* ---- one row ---------------------------------------------------------------------------- */

/* As wflows.audit_text: each value with its length, so that no two lists look the same. */
static void add_text(apr_pool_t *pool, wf_hash_t *hash, int number, const char *text, size_t len)
{
    const char *head = !text ? "-" : apr_psprintf(pool, "%" APR_SIZE_T_FMT ":", len);

    if (number > 0) {
        wf_hash_add(hash, ",", 1);
    }
    wf_hash_add(hash, head, strlen(head));
    if (text) {
        wf_hash_add(hash, text, len);
    }
}

static int equals_hex(const unsigned char hash[WF_SHA256_LEN], const char *hex)
{
    unsigned char other[WF_SHA256_LEN];

    return hex && strlen(hex) == 2 * WF_SHA256_LEN && wf_hex_decode(other, hex, WF_SHA256_LEN) &&
           memcmp(hash, other, WF_SHA256_LEN) == 0;
}

static int details_hold(apr_pool_t *pool, const wf_pg_result_t *res, int row)
{
    const char *salt_hex = wf_pg_cell(res, row, SALT);
    size_t len = strlen(salt_hex) / 2;
    unsigned char *salt = apr_palloc(pool, len + 1), sum[WF_SHA256_LEN];
    wf_hash_t *hash = wf_hash_make(pool);
    int i;

    if (!wf_hex_decode(salt, salt_hex, len)) {
        return 0;
    }
    wf_hash_add(hash, salt, len);
    for (i = DETAILS; i < COLUMNS; i++) {
        add_text(pool, hash, i - DETAILS, wf_pg_cell(res, row, i), wf_pg_cell_len(res, row, i));
    }
    wf_hash_end(hash, sum);
    return equals_hex(sum, wf_pg_cell(res, row, DETAILS_HASH));
}

/* Without the salt nothing else may have stayed, but what an actor is. */
static int is_blank(const wf_pg_result_t *res, int row)
{
    const char *actor = wf_pg_cell(res, row, DETAILS);
    int i;

    for (i = DETAILS + 1; i < COLUMNS; i++) {
        if (wf_pg_cell(res, row, i)) {
            return 0;
        }
    }
    return actor && strcmp(actor, wf_pg_cell(res, row, KIND)) == 0;
}

static void hash_row(walk_t *walk, unsigned char sum[WF_SHA256_LEN], const wf_pg_result_t *res,
                     int row)
{
    static const int columns[] = {SEQ, ID, CREATED_US, KIND, ACTION, RESOURCE_TYPE, DETAILS_HASH};
    apr_pool_t *pool = walk->ctx->pool;
    wf_hash_t *hash = wf_hash_make(pool);
    size_t i;

    wf_hash_add(hash, walk->before, WF_SHA256_LEN);
    add_text(pool, hash, 0, FORM, strlen(FORM));
    add_text(pool, hash, 1, walk->company_id, strlen(walk->company_id));
    for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        add_text(pool, hash, (int)i + 2, wf_pg_cell(res, row, columns[i]),
                 wf_pg_cell_len(res, row, columns[i]));
    }
    wf_hash_end(hash, sum);
}

static int check_erased(walk_t *walk, const wf_pg_result_t *res, int row, int64_t seq)
{
    if (!is_blank(res, row)) {
        return broken(walk, seq, "its details are not those that were hashed");
    }
    walk->out->erased++;
    walk->first_erased = walk->first_erased ? walk->first_erased : seq;
    return 1;
}

/* 0: the chain ends here, and out says why. */
static int check_row(walk_t *walk, const wf_pg_result_t *res, int row)
{
    int64_t seq = wf_store_int(res, row, SEQ), expected = walk->out->seq + 1;
    const char *hex = wf_pg_cell(res, row, HASH);
    unsigned char sum[WF_SHA256_LEN];

    if (seq != expected) {
        return broken(walk, expected, "it is not there");
    }
    if (!wf_pg_cell(res, row, SALT)) {
        if (!check_erased(walk, res, row, seq)) {
            return 0;
        }
    } else if (!details_hold(walk->ctx->pool, res, row)) {
        return broken(walk, seq, "its details are not those that were hashed");
    }
    hash_row(walk, sum, res, row);
    if (!equals_hex(sum, hex)) {
        return broken(walk, seq, "it does not follow from the row before it");
    }
    if ((seq == walk->head_seq && strcmp(hex, walk->head_hash) != 0) ||
        (walk->mark && seq == walk->mark->seq && strcmp(hex, walk->mark->hash) != 0)) {
        return broken(walk, seq, "its hash is not the one that was noted");
    }
    walk->erasure_seen |= strcmp(wf_pg_cell(res, row, ACTION), WF_AUDIT_ERASURE) == 0;
    memcpy(walk->before, sum, sizeof(sum));
    apr_cpystrn(walk->out->hash, hex, sizeof(walk->out->hash));
    walk->out->seq = seq;
    walk->out->rows++;
    return 1;
}

/* ---- all of them ------------------------------------------------------------------------ */

static wf_status_t read_head(wf_ctx_t *ctx, int64_t *seq, const char **hash,
                             const wf_store_t *store, const char *company_id)
{
    const wf_pg_param_t params[] = {company_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_AUDIT_HEAD, params);

    *seq = 0;
    *hash = "";
    if (st == WF_OK && wf_pg_rows(res) == 1) {
        *seq = wf_store_int(res, 0, 0);
        *hash = wf_pg_cell(res, 0, 1);
    }
    return st;
}

/* *more 0: no row is left, or one does not hold. */
static wf_status_t check_page(walk_t *walk, int *more, const wf_store_t *store)
{
    apr_pool_t *pool = walk->ctx->pool;
    const wf_pg_param_t params[] = {
        walk->company_id, apr_psprintf(pool, "%" APR_INT64_T_FMT, (apr_int64_t)walk->out->seq)};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(walk->ctx, &res, store, WF_SQL_AUDIT_CHAIN, params);
    int i, rows = st == WF_OK ? wf_pg_rows(res) : 0;

    *more = rows > 0;
    for (i = 0; i < rows && *more; i++) {
        *more = check_row(walk, res, i);
    }
    wf_pg_clear(st == WF_OK ? res : NULL);
    return st;
}

static wf_status_t check_rows(wf_ctx_t *ctx, walk_t *walk, const wf_store_t *store)
{
    wf_status_t st = WF_OK;
    apr_pool_t *pool;
    int more = 1;

    apr_pool_create(&pool, ctx->pool);
    while (st == WF_OK && more) {
        apr_pool_clear(pool);
        walk->ctx = wf_ctx_derive(ctx, pool);
        st = check_page(walk, &more, store);
    }
    if (st != WF_OK) {
        return wf_fail(ctx, st, WFLOGNO(0720) "the audit rows of %s could not be read on from %" APR_INT64_T_FMT,
                       walk->company_id, (apr_int64_t)walk->out->seq);
    }
    apr_pool_destroy(pool);
    return st;
}

/* What no row alone tells. Rows that came meanwhile have moved the head: it is read again. */
static wf_status_t check_end(wf_ctx_t *ctx, walk_t *walk, const wf_store_t *store, int is_company)
{
    wf_audit_check_t *out = walk->out;
    int64_t mark_seq = walk->mark ? walk->mark->seq : 0, head_seq;
    const char *head_hash;
    wf_status_t st = read_head(ctx, &head_seq, &head_hash, store, walk->company_id);

    if (st != WF_OK) {
        return st;
    }
    if (out->seq < walk->head_seq || out->seq < mark_seq) {
        broken(walk, out->seq + 1, "it is not there, and those after it");
    } else if (head_seq < out->seq) {
        broken(walk, head_seq + 1, "it stands behind the end of the chain");
    } else if (walk->first_erased && !walk->erasure_seen) {
        broken(walk, walk->first_erased, "its details are gone, and the company was not erased");
    } else if (is_company && out->rows == 0) {
        broken(walk, 1, "it is not there: a company begins with a row");
    }
    return WF_OK;
}

wf_status_t wf_audit_verify(wf_ctx_t *ctx, wf_audit_check_t *out, const wf_store_t *store,
                            const char *company_id, const wf_audit_mark_t *mark)
{
    walk_t walk = {.company_id = company_id, .mark = mark, .out = out};
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if ((st = read_head(ctx, &walk.head_seq, &walk.head_hash, store, company_id)) != WF_OK ||
        (st = check_rows(ctx, &walk, store)) != WF_OK || out->reason) {
        return st;
    }
    return check_end(ctx, &walk, store, strcmp(company_id, WF_AUDIT_PLATFORM) != 0);
}

wf_status_t wf_audit_next_chain(wf_ctx_t *ctx, int *more, const wf_store_t *store,
                                wf_audit_chain_t *chain)
{
    const wf_pg_param_t params[] = {*chain->company_id ? chain->company_id : NULL};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_AUDIT_NEXT_CHAIN, params);

    *more = st == WF_OK && wf_pg_cell(res, 0, 0) != NULL;
    if (*more) {
        apr_cpystrn(chain->company_id, wf_pg_cell(res, 0, 0), sizeof(chain->company_id));
        chain->slug = wf_pg_cell(res, 0, 1);
    }
    return st;
}
