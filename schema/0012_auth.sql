-- Who is calling: log-ins of people, the addresses that API keys are used from, and the look-ups by which a caller is
-- known before its company is.

-- A log-in of a person, in the company by which it began: what its access tokens name as sid.
create table wflows.user_sessions (
    company_id uuid not null constraint user_sessions_company_id_fkey references wflows.companies (id),
    id uuid not null,
    user_id uuid not null,
    tenant_id uuid, -- the company that its tokens name; null: the person names one with each request
    ip_address text,
    user_agent text,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null, -- of its newest refresh token
    revoked_at timestamptz,
    revoked_reason text,
    primary key (company_id, id),
    constraint user_sessions_user_id_fkey foreign key (company_id, user_id)
        references wflows.users (company_id, id),
    constraint user_sessions_revoked_check check ((revoked_at is null) = (revoked_reason is null)),
    constraint user_sessions_revoked_reason_check
        check (revoked_reason in ('logout', 'password', 'reuse', 'removed'))
);
create index user_sessions_by_id on wflows.user_sessions (id);
create index user_sessions_of_user on wflows.user_sessions (user_id) where revoked_at is null;
create index user_sessions_expiry on wflows.user_sessions (expires_at);
call wflows.protect('wflows.user_sessions');
create policy lookup_read on wflows.user_sessions for select to wflows_lookup using (true);
grant select, insert, update, delete on wflows.user_sessions to wflows_app, wflows_platform;
grant select on wflows.user_sessions to wflows_lookup;

-- Refresh tokens: one that is not used for each session, and those before it, so that a stolen one is noticed when it
-- is used again.
create table wflows.refresh_tokens (
    company_id uuid not null,
    session_id uuid not null,
    token_hash bytea not null, -- SHA-256; a token is 256 random bits
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    primary key (company_id, token_hash),
    constraint refresh_tokens_session_id_fkey foreign key (company_id, session_id)
        references wflows.user_sessions (company_id, id) on delete cascade,
    constraint refresh_tokens_token_hash_check check (octet_length(token_hash) = 32)
);
create index refresh_tokens_by_hash on wflows.refresh_tokens (token_hash);
create index refresh_tokens_of_session on wflows.refresh_tokens (company_id, session_id);
call wflows.protect('wflows.refresh_tokens');
create policy lookup_read on wflows.refresh_tokens for select to wflows_lookup using (true);
grant select, insert, update, delete on wflows.refresh_tokens to wflows_app, wflows_platform;
grant select on wflows.refresh_tokens to wflows_lookup;

-- Where a key has been used from: a new address is told in the audit log.
create table wflows.api_key_addresses (
    company_id uuid not null,
    key_id uuid not null,
    address text not null, -- IPv4, or an IPv6 network of 64 bits
    first_used_at timestamptz not null default now(),
    primary key (company_id, key_id, address),
    constraint api_key_addresses_key_id_fkey foreign key (company_id, key_id)
        references wflows.api_keys (company_id, id) on delete cascade,
    constraint api_key_addresses_address_check check (char_length(address) between 1 and 64)
);
call wflows.protect('wflows.api_key_addresses');
grant select, insert, update, delete on wflows.api_key_addresses to wflows_app, wflows_platform;

-- These look-ups find nothing in a transaction that has a tenant: they are for whoever does not know one yet.

-- A key by its public look-up id, for whoever has yet to prove that it knows the rest. NULL: there is none.
create function wflows.api_key_record(p_prefix text) returns json
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select json_build_object(
        'id', k.id, 'name', k.name, 'company_id', k.company_id, 'slug', c.slug,
        'company_active', c.status = 'active', 'key_hash', k.key_hash,
        'scopes', k.scopes, 'account_ids', k.whatsapp_account_ids,
        'rate', k.rate_limit_per_minute, 'expires_us', wflows.time_us(k.expires_at))
    from wflows.api_keys k
    join wflows.companies c on c.id = k.company_id and c.deleted_at is null
    where nullif(current_setting('app.tenant_id', true), '') is null
      and k.key_prefix = p_prefix and k.status = 'active'
      and (k.expires_at is null or k.expires_at > now())
    order by k.created_at limit 1;
end;

-- A person: what companies it is in now, and whether this log-in of it is still good.
create function wflows.auth_user(p_user uuid, p_session uuid) returns json
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select json_build_object(
        'known', exists (select from wflows.users u where u.id = p_user),
        'session_ok', exists (select from wflows.user_sessions s
                              where s.id = p_session and s.user_id = p_user
                                and s.revoked_at is null and s.expires_at > now()),
        'not_before_us', (select coalesce(max(wflows.time_us(u.tokens_not_before)), 0)
                          from wflows.users u where u.id = p_user),
        'companies', (select coalesce(json_agg(json_build_object(
                                 'id', c.id, 'slug', c.slug, 'name', c.display_name, 'role', u.role,
                                 'active', c.status = 'active') order by u.created_at, c.id), '[]')
                      from wflows.users u
                      join wflows.companies c on c.id = u.company_id and c.deleted_at is null
                      where u.id = p_user and u.status = 'active' and u.deleted_at is null))
    where nullif(current_setting('app.tenant_id', true), '') is null;
end;

-- A company by id or slug, for a token that names one. NULL: there is none.
create function wflows.auth_company(p_company text) returns json
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select json_build_object('id', c.id, 'slug', c.slug, 'name', c.display_name,
                             'active', c.status = 'active')
    from wflows.companies c
    where nullif(current_setting('app.tenant_id', true), '') is null
      and c.deleted_at is null
      and (c.slug = p_company
           or c.id = case when p_company ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
                          then p_company::uuid end)
    limit 1;
end;

-- Who may log in with this e-mail address: in the named company (id or slug), else in the one that had it first. NULL:
-- nobody.
create function wflows.login_record(p_email text, p_company text) returns json
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select json_build_object('id', u.id, 'company_id', u.company_id, 'role', u.role,
                             'password_hash', u.password_hash,
                             'companies', (select count(*) from wflows.users o
                                           join wflows.companies d on d.id = o.company_id
                                                and d.deleted_at is null
                                           where o.id = u.id and o.deleted_at is null
                                             and o.status = 'active'))
    from wflows.users u
    join wflows.companies c on c.id = u.company_id and c.deleted_at is null
    where nullif(current_setting('app.tenant_id', true), '') is null
      and lower(u.email) = lower(p_email) and u.deleted_at is null and u.status = 'active'
      and u.password_hash is not null
      and (p_company is null or c.slug = p_company
           or c.id = case when p_company ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
                          then p_company::uuid end)
    order by u.created_at, u.company_id limit 1;
end;

-- Which session a refresh token belongs to, used or not. NULL: it is none.
create function wflows.refresh_record(p_hash text) returns json
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select json_build_object('company_id', t.company_id, 'session_id', t.session_id)
    from wflows.refresh_tokens t
    where nullif(current_setting('app.tenant_id', true), '') is null
      and t.token_hash = decode(p_hash, 'hex')
    order by t.created_at limit 1;
end;

revoke execute on all routines in schema wflows from public;
grant execute on function
    wflows.api_key_record(text), wflows.auth_user(uuid, uuid), wflows.auth_company(text),
    wflows.login_record(text, text), wflows.refresh_record(text)
    to wflows_app;
grant create on schema wflows to wflows_lookup;
alter function wflows.api_key_record(text) owner to wflows_lookup;
alter function wflows.auth_user(uuid, uuid) owner to wflows_lookup;
alter function wflows.auth_company(text) owner to wflows_lookup;
alter function wflows.login_record(text, text) owner to wflows_lookup;
alter function wflows.refresh_record(text) owner to wflows_lookup;
revoke create on schema wflows from wflows_lookup;
