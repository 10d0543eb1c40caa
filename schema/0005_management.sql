-- People, keys and records of the management API.

-- A person who belongs to several companies has a row in each, with the same id and password_hash.
create table wflows.users (
    company_id uuid not null constraint users_company_id_fkey references wflows.companies (id),
    id uuid not null,
    email text not null,
    name text not null,
    password_hash text, -- argon2id; null: cannot log in with a password
    role text not null,
    status text not null default 'active',
    last_login_at timestamptz,
    tokens_not_before timestamptz, -- tokens without a session that were made before are not valid
    created_by text,
    updated_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    primary key (company_id, id),
    constraint users_email_check check (email ~ '^[^@\s]+@[^@\s]+$' and char_length(email) <= 254),
    constraint users_name_check check (char_length(name) between 1 and 200),
    constraint users_password_hash_check check (password_hash like '$argon2id$%'),
    constraint users_role_check check (role in ('admin', 'gestor', 'operador', 'leitura')),
    constraint users_status_check check (status in ('active', 'inactive', 'invited'))
);
create unique index users_email_key on wflows.users (company_id, lower(email)) where deleted_at is null;
create index users_login on wflows.users (lower(email)) where deleted_at is null;
create index users_person on wflows.users (id);
call wflows.protect('wflows.users');
create policy lookup_read on wflows.users for select to wflows_lookup using (true);
grant select on wflows.users to wflows_lookup;
grant select, insert, update on wflows.users to wflows_app;
grant select, insert, update, delete on wflows.users to wflows_platform;

create table wflows.api_keys (
    company_id uuid not null constraint api_keys_company_id_fkey references wflows.companies (id),
    id uuid not null,
    name text not null,
    key_hash text not null,   -- argon2id
    key_prefix text not null, -- the public look-up id of wfk_<lookup id>_<secret>
    scopes text[] not null default '{}',
    whatsapp_account_ids uuid[] not null default '{}', -- empty: all
    rate_limit_per_minute int not null default 60,
    last_used_at timestamptz,
    usage_count bigint not null default 0,
    status text not null default 'active',
    expires_at timestamptz,
    created_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint api_keys_key_prefix_key unique (company_id, key_prefix),
    constraint api_keys_name_check check (char_length(name) between 1 and 100),
    constraint api_keys_key_hash_check check (key_hash like '$argon2id$%'),
    constraint api_keys_key_prefix_check check (key_prefix ~ '^[A-Za-z0-9]{8,32}$'),
    constraint api_keys_rate_limit_per_minute_check check (rate_limit_per_minute between 0 and 1000000),
    constraint api_keys_status_check check (status in ('active', 'revoked', 'expired'))
);
create unique index api_keys_name_key on wflows.api_keys (company_id, name) where status = 'active';
create index api_keys_login on wflows.api_keys (key_prefix);
call wflows.protect('wflows.api_keys');
create policy lookup_read on wflows.api_keys for select to wflows_lookup using (true);
grant select on wflows.api_keys to wflows_lookup;
grant select, insert, update on wflows.api_keys to wflows_app;
grant select, insert, update, delete on wflows.api_keys to wflows_platform;

-- DESIGN.md section 9: 24 h, same body the same reply, another body 422, in flight 409.
create table wflows.idempotency_keys (
    company_id uuid not null, -- the nil UUID for POST /companies
    subject text not null,    -- who sent it: one caller's keys are no other's
    key text not null,
    request_hash bytea not null, -- HMAC of method, path and body, with a key that is not here
    status text not null default 'in_flight',
    response_status int,
    response_headers json,
    response_body text, -- sealed, but for what is of no company
    claim uuid not null, -- of the request that works on it
    lease_until timestamptz not null, -- in flight and over: whoever had it is gone
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (company_id, subject, key),
    constraint idempotency_keys_key_check check (char_length(key) between 1 and 255),
    constraint idempotency_keys_request_hash_check check (octet_length(request_hash) = 32),
    constraint idempotency_keys_status_check check (status in ('in_flight', 'done'))
);
create index idempotency_keys_expiry on wflows.idempotency_keys (expires_at);
call wflows.protect('wflows.idempotency_keys');
grant select, insert, update, delete on wflows.idempotency_keys to wflows_app, wflows_platform;

create table wflows.integrations (
    company_id uuid not null constraint integrations_company_id_fkey references wflows.companies (id),
    id uuid not null,
    kind text not null,
    name text not null,
    config jsonb not null default '{}',
    secret text, -- sealed: the secret members of the configuration, as one object
    secret_names text[] not null default '{}', -- which of them are set
    secrets_changed_at timestamptz,
    enabled boolean not null default true,
    created_by text,
    updated_by text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint integrations_name_key unique (company_id, kind, name),
    constraint integrations_kind_check check (kind in ('whatsapp_evolution', 'gmail', 'google_calendar',
                                                       'openai', 'webhook', 'custom')),
    constraint integrations_name_check check (char_length(name) between 1 and 100),
    constraint integrations_config_check check (jsonb_typeof(config) = 'object'),
    constraint integrations_secret_check check (secret like 'wf1:%')
);
create index integrations_by_time on wflows.integrations (company_id, created_at, id);
call wflows.protect('wflows.integrations');
grant select, insert, update, delete on wflows.integrations to wflows_app, wflows_platform;

create table wflows.feature_flags (
    company_id uuid not null constraint feature_flags_company_id_fkey references wflows.companies (id),
    name text not null,
    enabled boolean not null default false,
    value jsonb,
    updated_by text,
    updated_at timestamptz not null default now(),
    primary key (company_id, name),
    constraint feature_flags_name_check check (name ~ '^[a-z][a-z0-9_.-]{0,63}$')
);
call wflows.protect('wflows.feature_flags');
grant select, insert, update, delete on wflows.feature_flags to wflows_app, wflows_platform;

-- What waits for a second person's yes (wf_change_approve), and what became of it.
create table wflows.approvals (
    company_id uuid not null constraint approvals_company_id_fkey references wflows.companies (id),
    id uuid not null,
    action text not null,
    resource_type text not null,
    resource_id text,
    operation text not null, -- the API's, which is called again
    request json not null,   -- for people: without a secret
    sealed text,             -- *: all of the request; null: decided
    status text not null default 'pending',
    requested_by text not null,
    decided_by text,
    reason text,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    decided_at timestamptz,
    primary key (company_id, id),
    constraint approvals_action_check check (action ~ '^[a-z_]+\.[a-z_]+$'),
    constraint approvals_status_check
        check (status in ('pending', 'approved', 'rejected', 'cancelled', 'expired')),
    constraint approvals_reason_check check (char_length(reason) <= 500),
    constraint approvals_sealed_check check (sealed like 'wf1:%' and (status = 'pending')
                                             or sealed is null and (status <> 'pending')),
    constraint approvals_decided_check
        check ((status in ('approved', 'rejected')) = (decided_by is not null))
);
create index approvals_by_time on wflows.approvals (company_id, created_at, id);
create index approvals_open on wflows.approvals (expires_at) where status = 'pending';
call wflows.protect('wflows.approvals');
grant select, insert, update on wflows.approvals to wflows_app;
grant select, insert, update, delete on wflows.approvals to wflows_platform;

-- People who asked to be left alone, by wa_id or business-scoped user_id.
create table wflows.opt_outs (
    company_id uuid not null constraint opt_outs_company_id_fkey references wflows.companies (id),
    id uuid not null default gen_random_uuid(),
    contact text not null,
    category text not null default 'all',
    source text not null,
    reason text,
    active boolean not null default true, -- false: taken back; kept so that an older "stop" that comes late does not count
    changed_at timestamptz not null default now(), -- when the person said so
    created_at timestamptz not null default now(),
    primary key (company_id, contact, category),
    constraint opt_outs_contact_check check (char_length(contact) between 1 and 256),
    constraint opt_outs_category_check check (category ~ '^[a-z][a-z0-9_-]{0,31}$')
);
create index opt_outs_by_time on wflows.opt_outs (company_id, changed_at, id);
create index opt_outs_by_id on wflows.opt_outs (company_id, id);
call wflows.protect('wflows.opt_outs');
grant select, insert, update, delete on wflows.opt_outs to wflows_app, wflows_platform;

-- Those whose time is over, with their audit rows. As wflows_platform; by company, as every audit row locks its chain.
create function wflows.approvals_expire(p_max int) returns int
language plpgsql
as $$
declare
    a wflows.approvals;
    v_count int := 0;
begin
    for a in
        select p.* from wflows.approvals p where p.status = 'pending' and p.expires_at <= now()
        order by p.company_id, p.id limit p_max for update skip locked
    loop
        update wflows.approvals p set status = 'expired', sealed = null, decided_at = now()
        where p.company_id = a.company_id and p.id = a.id;
        insert into wflows.audit_logs (company_id, id, actor, action, resource_type, resource_id, metadata)
        values (a.company_id, gen_random_uuid(), 'job:approvals', 'approval.expired', 'approval', a.id,
                json_build_object('action', a.action, 'requested_by', a.requested_by));
        v_count := v_count + 1;
    end loop;
    return v_count;
end
$$;
revoke execute on function wflows.approvals_expire(int) from public;
grant execute on function wflows.approvals_expire(int) to wflows_platform;

-- ---- erasure of a company (LGPD art. 18) --------------------------------------------------------------------------

-- What is to be erased, how far it is, and what was removed: all a process needs to go on where another one
-- stopped. Kept for good, and so without anything about a person once it is done.
create table wflows.erasures (
    company_id uuid not null,
    slug text,                -- null: done
    step text not null default 'files',
    requested_by text,        -- done: what stands before its colon
    requested_at timestamptz not null default now(),
    erased_at timestamptz,    -- the company and its data keys are gone
    finished_at timestamptz,
    audit_seq bigint not null default 0, -- audit rows up to it are blanked
    removed jsonb not null default '{}', -- table (or files, redis_keys): how many
    report text,              -- signed
    primary key (company_id),
    constraint erasures_step_check
        check (step in ('files', 'tables', 'audit', 'company', 'cache', 'done')),
    constraint erasures_done_check check ((step = 'done') = (report is not null and slug is null))
);
create index erasures_open on wflows.erasures (requested_at) where step <> 'done';
call wflows.protect('wflows.erasures');
create policy worker_read on wflows.erasures for select to wflows_worker using (true);
grant select on wflows.erasures to wflows_app, wflows_worker;
grant select, insert, update on wflows.erasures to wflows_platform;

-- Whoever is being erased stays so, whatever else wants to change the company.
create function wflows.companies_erasing() returns trigger
language plpgsql
as $$
begin
    raise exception 'company % is being erased', old.id
          using errcode = 'check_violation', constraint = 'companies_status_check';
end
$$;
create trigger companies_erasing before update on wflows.companies
    for each row when (old.status = 'erasing' and new.status <> 'erasing')
    execute function wflows.companies_erasing();

-- Every tenant table, those that refer to others before these. What must outlive the rest is not among them.
create function wflows.erasure_tables() returns table (name text)
language sql stable
as $$
    with recursive own as (
        select c.oid, c.relname::text as name from pg_catalog.pg_class c
        where c.relnamespace = 'wflows'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
          and c.relname not in ('audit_logs', 'audit_heads', 'erasures', 'data_keys')
          and exists (select from pg_catalog.pg_attribute a
                      where a.attrelid = c.oid and a.attname = 'company_id' and not a.attisdropped)
    ), chain as (
        select o.oid, array[o.oid] as path from own o
        union all
        select f.conrelid, h.path || f.conrelid
        from chain h
        join pg_catalog.pg_constraint f on f.confrelid = h.oid and f.contype = 'f'
        where f.conrelid <> all (h.path)
    )
    select o.name from own o join chain h using (oid)
    group by o.name order by max(cardinality(h.path)) desc, o.name
$$;

-- Deletes up to p_max rows of one table of a company that is being erased, and counts them. 0: none is left.
create function wflows.erase_rows(p_company uuid, p_max int) returns int
language plpgsql
as $$
declare
    v_table text;
    v_count int;
begin
    perform from wflows.erasures e where e.company_id = p_company and e.step <> 'done' for update;
    if not found then
        raise exception 'company % is not being erased', p_company using errcode = 'insufficient_privilege';
    end if;
    update wflows.flows set active_version = null
    where company_id = p_company and active_version is not null;
    for v_table in select t.name from wflows.erasure_tables() t loop
        execute format('delete from wflows.%1$I t where t.company_id = $1 and t.ctid = any (array('
                       'select e.ctid from wflows.%1$I e where e.company_id = $1 limit $2))', v_table)
        using p_company, p_max;
        get diagnostics v_count = row_count;
        if v_count > 0 then
            update wflows.erasures e
            set removed = e.removed || jsonb_build_object(
                    v_table, coalesce((e.removed ->> v_table)::bigint, 0) + v_count)
            where e.company_id = p_company;
            return v_count;
        end if;
    end loop;
    return 0;
end
$$;

-- Takes what is about people out of the next p_max audit rows after p_after; answers the last one's number,
-- null: no more. The chain still holds (0004_events.sql).
create function wflows.erase_audit(p_company uuid, p_after bigint, p_max int) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_last bigint;
begin
    if not exists (select from wflows.erasures e where e.company_id = p_company and e.step <> 'done') then
        raise exception 'company % is not being erased', p_company using errcode = 'insufficient_privilege';
    end if;
    with gone as (
        update wflows.audit_logs l
        set actor = split_part(l.actor, ':', 1), salt = null, user_id = null, resource_id = null,
            ip_address = null, user_agent = null, request_id = null, old_values = null, new_values = null,
            metadata = null
        where l.company_id = p_company and l.seq > p_after and l.seq <= p_after + p_max
        returning l.seq)
    select max(g.seq) into v_last from gone g;
    return v_last;
end
$$;

-- How many rows each table still has, 10000 meaning that or more.
create function wflows.erasure_left(p_company uuid) returns jsonb
language plpgsql stable
as $$
declare
    v_table text;
    v_count int;
    v_left jsonb := '{}';
begin
    for v_table in select t.name from wflows.erasure_tables() t loop
        execute format('select count(*) from (select from wflows.%I e where e.company_id = $1 limit 10000) x', v_table)
        into v_count using p_company;
        if v_count > 0 then
            v_left := v_left || jsonb_build_object(v_table, v_count);
        end if;
    end loop;
    return v_left;
end
$$;

create function wflows.erasure_json(p_erasure wflows.erasures) returns json
language sql stable
return json_build_object(
    'company_id', p_erasure.company_id, 'step', p_erasure.step, 'requested_by', p_erasure.requested_by,
    'requested_at', wflows.time_text(p_erasure.requested_at),
    'erased_at', wflows.time_text(p_erasure.erased_at),
    'finished_at', wflows.time_text(p_erasure.finished_at), 'removed', p_erasure.removed,
    'left', case when p_erasure.step <> 'done' then wflows.erasure_left(p_erasure.company_id) end,
    'report', p_erasure.report);

revoke execute on function
    wflows.companies_erasing(), wflows.erasure_tables(), wflows.erase_rows(uuid, int),
    wflows.erase_audit(uuid, bigint, int), wflows.erasure_left(uuid), wflows.erasure_json(wflows.erasures)
    from public;
grant execute on function
    wflows.erasure_tables(), wflows.erasure_left(uuid), wflows.erasure_json(wflows.erasures)
    to wflows_app, wflows_platform;
grant execute on function wflows.erase_rows(uuid, int), wflows.erase_audit(uuid, bigint, int)
    to wflows_platform;
create policy worker_erase on wflows.audit_logs to wflows_worker using (true) with check (true);
grant select, update (actor, salt, user_id, resource_id, ip_address, user_agent, request_id, old_values,
                      new_values, metadata)
    on wflows.audit_logs to wflows_worker;
grant create on schema wflows to wflows_worker;
alter function wflows.erase_audit(uuid, bigint, int) owner to wflows_worker;
revoke create on schema wflows from wflows_worker;
