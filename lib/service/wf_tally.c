#include "service/wf_tally.h"

#include <apr_hash.h>
#include <apr_thread_mutex.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 20000
/* Parts a key: company id, slug, field. None of them can hold it. */
#define PART "\n"

struct wf_tally_t {
    apr_thread_mutex_t *lock;
    apr_pool_t *entries_pool;
    apr_hash_t *entries; /* "<company id>\n<slug>\n<name>{<labels>" -> int64_t * */
};

/* ---- counting ---------------------------------------------------------------------------------- */

static void reset(wf_tally_t *tally)
{
    /* An allocator of its own: all request threads allocate from it, under the lock. */
    if (apr_pool_create_unmanaged(&tally->entries_pool) != APR_SUCCESS) {
        abort();
    }
    tally->entries = apr_hash_make(tally->entries_pool);
}

static apr_status_t end(void *data)
{
    apr_pool_destroy(((wf_tally_t *)data)->entries_pool);
    return APR_SUCCESS;
}

wf_status_t wf_tally_make(wf_ctx_t *ctx, wf_tally_t **out, apr_pool_t *pool)
{
    wf_tally_t *tally = apr_pcalloc(pool, sizeof(*tally));

    *out = NULL;
    if (apr_thread_mutex_create(&tally->lock, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0701) "no lock for the companies' counters");
    }
    reset(tally);
    apr_pool_cleanup_register(pool, tally, end, apr_pool_cleanup_null);
    *out = tally;
    return WF_OK;
}

static void add_key(wf_tally_t *tally, const char *key, int64_t n)
{
    int64_t *entry;

    apr_thread_mutex_lock(tally->lock);
    entry = apr_hash_get(tally->entries, key, APR_HASH_KEY_STRING);
    if (!entry && apr_hash_count(tally->entries) < ENTRIES_MAX) {
        entry = apr_pcalloc(tally->entries_pool, sizeof(*entry));
        apr_hash_set(tally->entries, apr_pstrdup(tally->entries_pool, key), APR_HASH_KEY_STRING,
                     entry);
    }
    if (entry) {
        *entry += n;
    }
    apr_thread_mutex_unlock(tally->lock);
}

void wf_tally_add(wf_tally_t *tally, const wf_company_t *company, const char *name,
                  const char *labels, int64_t n)
{
    char key[512];

    if (tally && n > 0 &&
        apr_snprintf(key, sizeof(key), "%s" PART "%s" PART "%s{%s", company->id, company->slug, name,
                     labels) < (int)sizeof(key) - 1) {
        add_key(tally, key, n);
    }
}

const char *wf_tally_label(apr_pool_t *pool, const char *name, const char *value)
{
    wf_buf_t out;

    wf_buf_init(&out, pool, 64, 1024);
    wf_buf_printf(&out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') {
            wf_buf_putc(&out, '\\');
        }
        wf_buf_putc(&out, (unsigned char)*value < ' ' ? ' ' : *value);
    }
    wf_buf_putc(&out, '"');
    return out.data;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void split(apr_pool_t *pool, wf_tally_row_t *row, const char *key, int64_t n)
{
    char *company_id = apr_pstrdup(pool, key);
    char *slug = strchr(company_id, *PART), *field;

    *slug++ = '\0';
    field = strchr(slug, *PART);
    *field++ = '\0';
    *row = (wf_tally_row_t){slug, company_id, field, n};
}

void wf_tally_flush(wf_ctx_t *ctx, wf_tally_t *tally, const wf_store_t *store)
{
    apr_hash_index_t *hi;
    apr_pool_t *taken_pool;
    apr_hash_t *taken;
    wf_tally_row_t *rows;
    int count = 0;

    if (!store->redis) {
        return;
    }
    apr_thread_mutex_lock(tally->lock);
    taken_pool = tally->entries_pool;
    taken = tally->entries;
    reset(tally);
    apr_thread_mutex_unlock(tally->lock);
    rows = apr_palloc(ctx->pool, (apr_hash_count(taken) + 1) * sizeof(*rows));
    for (hi = apr_hash_first(ctx->pool, taken); hi; hi = apr_hash_next(hi)) {
        split(ctx->pool, &rows[count++], apr_hash_this_key(hi), *(int64_t *)apr_hash_this_val(hi));
    }
    if (count > 0 && wf_tally_save(ctx, store, rows, count) != WF_OK) {
        wf_ctx_clear(ctx);
        for (hi = apr_hash_first(ctx->pool, taken); hi; hi = apr_hash_next(hi)) {
            add_key(tally, apr_hash_this_key(hi), *(int64_t *)apr_hash_this_val(hi));
        }
    }
    apr_pool_destroy(taken_pool);
}

/* ---- showing ----------------------------------------------------------------------------------- */

static const struct {
    const char *name, *help;
} metrics[] = {
    {"event_total", "Events stored, by type."},
    {"inbound_total", "Webhook requests of WhatsApp, by what became of them."},
    {"flow_exchange_total", "Flow requests, by flow, action and status."},
};

static void format_metric(wf_buf_t *out, const char *name, const char *help,
                          const apr_table_t *figures, const wf_company_t *company)
{
    const apr_array_header_t *all = apr_table_elts(figures);
    size_t len = strlen(name);
    int i, begun = 0;

    for (i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        if (strncmp(e->key, name, len) != 0 || e->key[len] != '{') {
            continue;
        }
        if (!begun++) {
            wf_buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
        }
        wf_buf_printf(out, "%s{tenant=\"%s\",%s} %s\n", name, company->slug, e->key + len + 1, e->val);
    }
}

wf_status_t wf_tally_format(wf_ctx_t *ctx, wf_buf_t *out, const wf_store_t *store,
                            const wf_company_t *company)
{
    apr_table_t *figures;
    wf_status_t st = wf_tally_load(ctx, &figures, store, company->slug, company->id);
    size_t i;

    for (i = 0; st == WF_OK && i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        format_metric(out, metrics[i].name, metrics[i].help, figures, company);
    }
    return st;
}
