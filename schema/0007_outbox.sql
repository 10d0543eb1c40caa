-- The outbox: putting in, claiming across companies, finishing.

-- In the producer's transaction, with the tenant set. False: a row with this key is there already.
create function wflows.outbox_add(p_company uuid, p_consumer text, p_account uuid, p_event_type text,
                                  p_idempotency_key text, p_payload json) returns boolean
language plpgsql
as $$
begin
    insert into wflows.outbox (company_id, id, consumer, account_id, event_type, payload, idempotency_key)
    values (p_company, wflows.uuid_v7(), p_consumer, p_account, p_event_type, p_payload,
            p_idempotency_key)
    on conflict (company_id, consumer, idempotency_key) do nothing;
    return found;
end
$$;

-- Whether an endpoint may be served, and what is needed to call it. Inactive companies and accounts
-- wait; what is cached of a company has to be forgotten whatever its status.
create function wflows.outbox_endpoint(
    p_consumer text, p_company uuid, p_endpoint uuid, out is_served boolean, out url text,
    out secret text, out previous_secret text, out previous_until_us bigint, out timeout_ms int,
    out max_retries int, out data_keys json)
language plpgsql stable
as $$
declare
    v_company_ok boolean := (select c.status = 'active' and c.deleted_at is null
                             from wflows.companies c where c.id = p_company);
    v_account wflows.whatsapp_accounts;
begin
    is_served := p_consumer = 'cache' or coalesce(v_company_ok, false);
    if not is_served or p_endpoint = '00000000-0000-0000-0000-000000000000' then
        return;
    end if;
    select a.* into v_account from wflows.whatsapp_accounts a
    where a.company_id = p_company and a.id = p_endpoint;
    is_served := p_consumer = 'cache' or coalesce(v_account.status = 'active'
        and v_account.deleted_at is null
        and (p_consumer <> 'callback' or v_account.callback_disabled_at is null), false);
    if not is_served or p_consumer <> 'callback' then
        return;
    end if;
    url := v_account.callback_webhook_url;
    secret := v_account.callback_secret;
    previous_secret := v_account.previous_callback_secret;
    previous_until_us := wflows.time_us(v_account.previous_callback_secret_until);
    timeout_ms := v_account.callback_timeout;
    max_retries := v_account.callback_max_retries;
    data_keys := (select json_object_agg(k.id, k.wrapped) from wflows.data_keys k
                  where k.company_id = p_company
                    and k.id::text in (split_part(secret, ':', 2), split_part(previous_secret, ':', 2)));
end
$$;

-- Rows whose worker is gone come back; those whose time has come become due. Few at a time: a claim has
-- to be quick, and the next one is soon.
--
-- Here and in a finish rows are changed one by one, by their key and nothing else. Plans are made once in a
-- connection, mostly while the table is empty or of another shape: a join may then become a walk through all rows
-- of the company, or of the table, for the rest of the connection's life. For the same reason nothing here may be
-- planned as a walk through the table (enable_seqscan), which seems to cost nothing where it has no pages.
create function wflows.outbox_ripen(p_consumer text) returns void
language plpgsql
as $$
declare
    -- A variable: the index is not searched for what a volatile function says.
    v_now timestamptz := clock_timestamp();
    v record;
begin
    for v in
        select o.company_id, o.id from wflows.outbox o
        where o.consumer = p_consumer and o.status = 'leased' and o.lease_until < v_now
        order by o.lease_until limit 256 for update skip locked
    loop
        update wflows.outbox o
        set status = 'pending', due = true, lease_until = null, lease_owner = null
        where o.company_id = v.company_id and o.id = v.id;
    end loop;
    for v in
        select o.company_id, o.id from wflows.outbox o
        where o.consumer = p_consumer and o.status = 'pending' and not o.due
          and o.next_attempt_at <= v_now
        order by o.next_attempt_at limit 256 for update skip locked
    loop
        update wflows.outbox o set due = true where o.company_id = v.company_id and o.id = v.id;
    end loop;
end
$$;

-- Leases up to p_max due rows, at most p_per_endpoint of each endpoint, going round the endpoints from
-- the one after (p_after_company, p_after_endpoint). p_skip: 'company/endpoint' that are not wanted now.
-- p_lease names this claim. The lease lasts the account's timeout and p_lease_ms more. The
-- last row has no id: it says how far this claim came, where the next one shall go on.
create function wflows.outbox_claim(
    p_consumer text, p_lease text, p_lease_ms bigint, p_max int, p_per_endpoint int,
    p_after_company uuid, p_after_endpoint uuid, p_skip text[])
returns table (company_id uuid, id uuid, endpoint uuid, event_type text, payload json, attempts int,
               attempts_before int, created_us bigint, url text, secret text, previous_secret text,
               previous_until_us bigint, timeout_ms int, max_retries int, data_keys json)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_nil constant uuid := '00000000-0000-0000-0000-000000000000';
    v_company uuid := p_after_company;
    v_endpoint uuid := p_after_endpoint;
    v_next record;
    v_how record;
    v_wrapped boolean := p_after_company = v_nil;
    v_left int := p_max;
    v_ids uuid[];
    v_now timestamptz := clock_timestamp();
begin
    if coalesce(current_setting('app.tenant_id', true), '') <> '' then
        raise exception 'a claim is of no company' using errcode = 'insufficient_privilege';
    end if;
    -- A claim that a crash undoes was never made: it need not be durable before the results are.
    perform set_config('synchronous_commit', 'off', true);
    perform wflows.outbox_ripen(p_consumer);
    -- So many endpoints at most: those of inactive companies must not hold up a claim.
    for v_visit in 1 .. 512 loop
        exit when v_left <= 0;
        select o.company_id, o.endpoint into v_next
        from wflows.outbox o
        where o.consumer = p_consumer and o.status = 'pending' and o.due
          and (o.company_id, o.endpoint) > (v_company, v_endpoint)
        order by o.company_id, o.endpoint limit 1;
        if not found then
            exit when v_wrapped;
            v_wrapped := true;
            v_company := v_nil;
            v_endpoint := v_nil;
            continue;
        end if;
        exit when v_wrapped and p_after_company <> v_nil
            and (v_next.company_id, v_next.endpoint) > (p_after_company, p_after_endpoint);
        v_company := v_next.company_id;
        v_endpoint := v_next.endpoint;
        continue when v_company || '/' || v_endpoint = any (p_skip);
        v_how := wflows.outbox_endpoint(p_consumer, v_company, v_endpoint);
        continue when not v_how.is_served;
        v_ids := array(
            select o.id from wflows.outbox o
            where o.consumer = p_consumer and o.company_id = v_company and o.endpoint = v_endpoint
              and o.status = 'pending' and o.due and o.next_attempt_at <= v_now
            order by o.next_attempt_at limit least(p_per_endpoint, v_left)
            for update skip locked);
        -- Planned each time, for the table as it is now; in one statement, because each reads the table's checks.
        return query execute
            'update wflows.outbox o set status = ''leased'', lease_owner = $3, lease_until = $4
             where o.company_id = $1 and o.id = any ($2)
             returning o.company_id, o.id, o.endpoint, o.event_type, o.payload, o.attempts,
                       o.attempts_before, wflows.time_us(o.created_at), $5, $6, $7, $8, $9, $10, $11'
            using v_company, v_ids, p_lease,
                v_now + interval '1 millisecond' * (coalesce(v_how.timeout_ms, 0) + p_lease_ms),
                v_how.url, v_how.secret, v_how.previous_secret, v_how.previous_until_us,
                v_how.timeout_ms, v_how.max_retries, v_how.data_keys;
        v_left := v_left - cardinality(v_ids);
    end loop;
    company_id := v_company;
    id := null;
    endpoint := v_endpoint;
    return next;
end
$$;

-- What became of claimed rows, of any companies: 10 texts for each, those of a company beside each other.
--   company, id, lease, 'done' | 'retry' | 'dead', next attempt (µs; of a retry), started (µs), took (ms),
--   status code or NULL, error or NULL, first bytes of the reply in base64 or NULL
-- Answers the number (from 0) of each whose lease was lost meanwhile: it was not touched.
create function wflows.outbox_finish(p_values text[]) returns setof int
language plpgsql set enable_seqscan = off
as $$
declare
    v_before text := coalesce(current_setting('app.tenant_id', true), '');
    v_tenant text := v_before;
    v_attempt int;
    v_company uuid; -- variables: an expression in the condition makes another index seem cheaper
    v_id uuid;
    b int;
begin
    for i in 0 .. cardinality(p_values) / 10 - 1 loop
        b := i * 10;
        if v_tenant is distinct from p_values[b + 1] then
            v_tenant := wflows.tenant_switch(v_before, p_values[b + 1]);
        end if;
        v_company := p_values[b + 1];
        v_id := p_values[b + 2];
        update wflows.outbox o
        set status = case p_values[b + 4] when 'retry' then 'pending' else p_values[b + 4] end,
            due = p_values[b + 4] <> 'retry',
            attempts = o.attempts + 1,
            next_attempt_at = coalesce(wflows.us_time(p_values[b + 5]::bigint), o.next_attempt_at),
            done_at = case when p_values[b + 4] <> 'retry' then clock_timestamp() end,
            last_error = p_values[b + 9], lease_until = null, lease_owner = null
        where o.company_id = v_company and o.id = v_id and o.lease_owner = p_values[b + 3]
        returning o.attempts into v_attempt;
        if not found then
            return next i;
            continue;
        end if;
        insert into wflows.outbox_attempts (company_id, outbox_id, attempt, started_at, duration_ms,
                                            status_code, error, response_body)
        values (v_company, v_id, v_attempt,
                wflows.us_time(p_values[b + 6]::bigint), p_values[b + 7]::int, p_values[b + 8]::int,
                p_values[b + 9], decode(p_values[b + 10], 'base64'));
    end loop;
    v_tenant := set_config('app.tenant_id', v_before, true);
end
$$;

-- Gives claimed rows back unattempted, due at once: company, id, lease of each, by company.
create function wflows.outbox_release(p_values text[]) returns void
language plpgsql set enable_seqscan = off
as $$
declare
    v_before text := coalesce(current_setting('app.tenant_id', true), '');
    v_tenant text := v_before;
    v_company uuid;
    v_id uuid;
    b int;
begin
    for i in 0 .. cardinality(p_values) / 3 - 1 loop
        b := i * 3;
        if v_tenant is distinct from p_values[b + 1] then
            v_tenant := wflows.tenant_switch(v_before, p_values[b + 1]);
        end if;
        v_company := p_values[b + 1];
        v_id := p_values[b + 2];
        update wflows.outbox o
        set status = 'pending', due = true, lease_until = null, lease_owner = null
        where o.company_id = v_company and o.id = v_id and o.lease_owner = p_values[b + 3];
    end loop;
    v_tenant := set_config('app.tenant_id', v_before, true);
end
$$;

-- Sends rows again that are done, dead or waiting, with the whole schedule before them; their attempts
-- stay. With the tenant set. Answers how many.
create function wflows.outbox_replay(p_company uuid, p_ids uuid[]) returns int
language plpgsql
as $$
declare
    v_count int;
begin
    update wflows.outbox o
    set status = 'pending', due = true, attempts_before = o.attempts, next_attempt_at = now(),
        done_at = null
    where o.company_id = p_company and o.id = any (p_ids) and o.status <> 'leased';
    get diagnostics v_count = row_count;
    return v_count;
end
$$;

-- How much waits and how late we are, for the metrics: bounded in what it reads, so "100000" means that
-- or more, and the oldest is looked for among 1000 endpoints.
create function wflows.outbox_depth(p_consumer text, out depth bigint, out oldest_due_us bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_next record;
    v_company uuid := '00000000-0000-0000-0000-000000000000';
    v_endpoint uuid := v_company;
    v_oldest timestamptz;
begin
    if coalesce(current_setting('app.tenant_id', true), '') <> '' then
        raise exception 'the depth is of no company' using errcode = 'insufficient_privilege';
    end if;
    depth := (select count(*) from (select from wflows.outbox o
                                    where o.consumer = p_consumer and o.status = 'pending' and o.due
                                    limit 100000) d)
        + (select count(*) from (select from wflows.outbox o
                                 where o.consumer = p_consumer and o.status = 'pending' and not o.due
                                 limit 100000) w)
        + (select count(*) from wflows.outbox o where o.consumer = p_consumer and o.status = 'leased');
    for v_visit in 1 .. 1000 loop
        select o.company_id, o.endpoint, o.next_attempt_at into v_next
        from wflows.outbox o
        where o.consumer = p_consumer and o.status = 'pending' and o.due
          and (o.company_id, o.endpoint) > (v_company, v_endpoint)
        order by o.company_id, o.endpoint, o.next_attempt_at limit 1;
        exit when not found;
        v_company := v_next.company_id;
        v_endpoint := v_next.endpoint;
        if (wflows.outbox_endpoint(p_consumer, v_company, v_endpoint)).is_served then
            v_oldest := least(v_oldest, v_next.next_attempt_at);
        end if;
    end loop;
    oldest_due_us := wflows.time_us(v_oldest);
end
$$;

-- ---- for people: what waits, why, and one delivery ----

-- Why rows of an endpoint wait however due they are; null: they do not. The order is outbox_endpoint's.
create function wflows.outbox_held_by(p_consumer text, p_company wflows.companies,
                                      p_account wflows.whatsapp_accounts, p_endpoint uuid) returns text
language sql immutable parallel safe
return case
    when p_consumer = 'cache' then null
    when p_company.deleted_at is not null then 'company_removed'
    when p_company.status <> 'active' then 'company_' || p_company.status
    when p_endpoint = '00000000-0000-0000-0000-000000000000' then null
    when p_account.id is null or p_account.deleted_at is not null then 'account_removed'
    when p_account.status <> 'active' then 'account_' || p_account.status
    when p_consumer = 'callback' and p_account.callback_disabled_at is not null then 'callback_disabled'
end;

-- What is not done, by company and endpoint: of one company and consumer, or (null) of all. As
-- wflows_platform, or as the company. An array; sizes are exact, so a long backlog takes a moment.
create function wflows.outbox_summary(p_company uuid, p_consumer text) returns json
language sql stable
return (
    select coalesce(json_agg(json_build_object(
               'company_id', g.company_id, 'company', c.slug, 'account_id', a.id, 'account', a.name,
               'consumer', g.consumer,
               -- The host only: what a company writes behind it may be a key.
               'target', case when g.consumer = 'callback'
                              then substring(a.callback_webhook_url from '^[a-z]+://[^/?#]+') end,
               'held_by', wflows.outbox_held_by(g.consumer, c, a, g.endpoint),
               'due', g.due, 'waiting', g.waiting, 'leased', g.leased, 'dead', g.dead,
               'oldest_at', wflows.time_text(g.oldest_at))
               order by c.slug, g.consumer, a.name), '[]')
    from (select o.company_id, o.consumer, o.endpoint,
                 count(*) filter (where o.status = 'pending' and o.due) as due,
                 count(*) filter (where o.status = 'pending' and not o.due) as waiting,
                 count(*) filter (where o.status = 'leased') as leased,
                 count(*) filter (where o.status = 'dead') as dead,
                 min(o.created_at) filter (where o.status in ('pending', 'leased')) as oldest_at
          from wflows.outbox o
          where o.status <> 'done' and (p_company is null or o.company_id = p_company)
            and (p_consumer is null or o.consumer = p_consumer)
          group by o.company_id, o.consumer, o.endpoint) g
    left join wflows.companies c on c.id = g.company_id
    left join wflows.whatsapp_accounts a on a.company_id = g.company_id and a.id = g.endpoint);

-- Gives up what is due for accounts and companies that were removed: up to p_max callbacks, of as many endpoints as
-- there are. As wflows_platform. What is not due yet will be, by the claims of others.
create function wflows.outbox_bury(p_max int)
returns table (company_id uuid, account_id uuid, reason text, rows int)
language plpgsql set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_next record;
    v_company uuid := '00000000-0000-0000-0000-000000000000';
    v_endpoint uuid := v_company;
    v_held text;
    v_left int := p_max;
    v record;
begin
    while v_left > 0 loop
        select o.company_id, o.endpoint into v_next
        from wflows.outbox o
        where o.consumer = 'callback' and o.status = 'pending' and o.due
          and (o.company_id, o.endpoint) > (v_company, v_endpoint)
        order by o.company_id, o.endpoint limit 1;
        exit when not found;
        v_company := v_next.company_id;
        v_endpoint := v_next.endpoint;
        v_held := wflows.outbox_held_by('callback',
            (select c from wflows.companies c where c.id = v_company),
            (select a from wflows.whatsapp_accounts a where a.company_id = v_company and a.id = v_endpoint),
            v_endpoint);
        continue when v_held is distinct from 'company_removed'
            and v_held is distinct from 'account_removed';
        company_id := v_company;
        account_id := v_endpoint;
        reason := case v_held when 'company_removed' then 'the company was removed'
                              else 'the account was removed' end;
        rows := 0;
        for v in
            select o.id from wflows.outbox o
            where o.consumer = 'callback' and o.company_id = v_company and o.endpoint = v_endpoint
              and o.status = 'pending' and o.due
            order by o.next_attempt_at limit v_left for update skip locked
        loop
            update wflows.outbox o set status = 'dead', done_at = clock_timestamp(), last_error = reason
            where o.company_id = v_company and o.id = v.id;
            rows := rows + 1;
        end loop;
        v_left := v_left - rows;
        if rows > 0 then
            return next;
        end if;
    end loop;
end
$$;

create function wflows.outbox_json(o wflows.outbox) returns json
language sql stable
return json_build_object(
    'id', o.id, 'company_id', o.company_id, 'account_id', o.account_id, 'consumer', o.consumer,
    'event_type', o.event_type, 'status', o.status, 'attempts', o.attempts,
    'created_at', wflows.time_text(o.created_at),
    'next_attempt_at', case when o.status = 'pending' then wflows.time_text(o.next_attempt_at) end,
    'lease_until', wflows.time_text(o.lease_until), 'lease_owner', o.lease_owner,
    'done_at', wflows.time_text(o.done_at), 'last_error', o.last_error);

-- One row with its attempts, or null. p_with_bodies: with what is sent and what came back (in base64: it is
-- whatever the receiver wrote). Goes by the companies, because a row's key begins with one.
create function wflows.outbox_document(p_id uuid, p_with_bodies boolean) returns json
language sql stable
return (
    select json_build_object(
        'delivery', wflows.outbox_json(o), 'company', c.slug, 'account', a.name,
        'held_by', wflows.outbox_held_by(o.consumer, c, a, o.endpoint),
        'attempts', (
            select coalesce(json_agg(json_build_object(
                'attempt', t.attempt, 'started_at', wflows.time_text(t.started_at),
                'duration_ms', t.duration_ms, 'status_code', t.status_code, 'error', t.error,
                'before_replay', t.attempt <= o.attempts_before,
                'response', case when p_with_bodies
                                 then translate(encode(t.response_body, 'base64'), e'\n', '') end)
                order by t.attempt), '[]')
            from wflows.outbox_attempts t where t.company_id = o.company_id and t.outbox_id = o.id),
        'payload', case when p_with_bodies then o.payload end)
    from wflows.companies c
    cross join lateral (select w.* from wflows.outbox w
                        where w.company_id = c.id and w.id = p_id offset 0) o
    left join wflows.whatsapp_accounts a on a.company_id = o.company_id and a.id = o.account_id);

-- Rows of a company to send again, in the order they were made (that of their ids), up to p_max after p_after.
-- p_event_type as an account's subscription has them; null: any, as of p_account. Times are microseconds, 0: no
-- bound.
create function wflows.outbox_match(
    p_company uuid, p_consumer text, p_statuses text[], p_event_type text, p_account uuid,
    p_since_us bigint, p_until_us bigint, p_after uuid, p_max int)
returns table (id uuid, doc json)
language sql stable
begin atomic
    select o.id, wflows.outbox_json(o)
    from wflows.outbox o
    where o.company_id = p_company and o.consumer = p_consumer and o.status = any (p_statuses)
      and o.status <> 'leased'
      and (p_event_type is null or o.event_type = p_event_type
           or right(p_event_type, 1) = '*' and starts_with(o.event_type, left(p_event_type, -1)))
      and (p_account is null or o.account_id = p_account)
      and o.created_at >= coalesce(wflows.us_time(p_since_us), '-infinity')
      and o.created_at < coalesce(wflows.us_time(p_until_us), 'infinity')
      and o.id > p_after
    order by o.id limit p_max;
end;

revoke execute on all routines in schema wflows from public;
grant execute on function
    wflows.outbox_add(uuid, text, uuid, text, text, json), wflows.outbox_finish(text[]),
    wflows.outbox_release(text[]), wflows.outbox_replay(uuid, uuid[]),
    wflows.outbox_claim(text, text, bigint, int, int, uuid, uuid, text[]), wflows.outbox_depth(text)
    to wflows_app;
grant execute on function
    wflows.outbox_held_by(text, wflows.companies, wflows.whatsapp_accounts, uuid),
    wflows.outbox_summary(uuid, text), wflows.outbox_json(wflows.outbox),
    wflows.outbox_document(uuid, boolean),
    wflows.outbox_match(uuid, text, text[], text, uuid, bigint, bigint, uuid, int)
    to wflows_app, wflows_platform;
grant execute on function wflows.outbox_bury(int) to wflows_platform;
grant execute on function wflows.outbox_endpoint(text, uuid, uuid), wflows.outbox_ripen(text)
    to wflows_worker;
grant create on schema wflows to wflows_worker;
alter function wflows.outbox_claim(text, text, bigint, int, int, uuid, uuid, text[])
    owner to wflows_worker;
alter function wflows.outbox_depth(text) owner to wflows_worker;
revoke create on schema wflows from wflows_worker;
