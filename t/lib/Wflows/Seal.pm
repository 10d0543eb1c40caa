package Wflows::Seal;

# The forms in which secrets stand in the database (DESIGN.md section 6), on CryptX: tests open with it what
# the server sealed, bench/ fills tables with it.
#
#   data key      wk1:<master key id>:<base64(nonce | ciphertext | tag)>   AES-256-GCM under the master key,
#                 additional data  data_keys|<company id>|<data key id>
#   secret column wf1:<data key id>:<base64(nonce | ciphertext | tag)>     AES-256-GCM under the data key,
#                 additional data  <table>|<column>|<company id>|<row id>
#   file          "wff1", then pieces of 64 KiB, AES-256-GCM under a key of its own; nonce: the piece's number;
#                 additional data  <number>|<1: the last>|media|content|<company id>|<row id>

use strict;
use warnings;

use Crypt::AuthEnc::GCM qw(gcm_decrypt_verify gcm_encrypt_authenticate);
use Crypt::PRNG qw(random_bytes);
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use MIME::Base64 qw(decode_base64 encode_base64);
use Wflows::Process qw(read_file write_file);

our @EXPORT_OK = qw(open_data_key open_vault seal_column store_file stored_file unseal_column wrap_data_key);

sub _seal {
    my ($key, $aad, $plain) = @_;
    my $nonce = random_bytes(12);
    my ($sealed, $tag) = gcm_encrypt_authenticate('AES', $key, $nonce, $aad, $plain);
    return encode_base64($nonce . $sealed . $tag, '');
}

sub _open {
    my ($key, $aad, $base64) = @_;
    my $raw = decode_base64($base64);
    my ($nonce, $sealed, $tag) = (substr($raw, 0, 12), substr($raw, 12, -16), substr($raw, -16));
    return gcm_decrypt_verify('AES', $key, $nonce, $aad, $sealed, $tag);
}

sub wrap_data_key {
    my ($master_id, $master, $company_id, $id, $key) = @_;
    return "wk1:$master_id:" . _seal($master, "data_keys|$company_id|$id", $key);
}

sub open_data_key {
    my ($master, $company_id, $id, $wrapped) = @_;
    my ($base64) = $wrapped =~ /\Awk1:[^:]+:(.+)\z/ or return undef;
    return _open($master, "data_keys|$company_id|$id", $base64);
}

# `place`: [table, column, company id, row id]
sub seal_column {
    my ($key_id, $key, $place, $plain) = @_;
    return "wf1:$key_id:" . _seal($key, join('|', @$place), $plain);
}

sub unseal_column {
    my ($key, $place, $sealed) = @_;
    my ($base64) = $sealed =~ /\Awf1:[^:]+:(.+)\z/ or return undef;
    return _open($key, join('|', @$place), $base64);
}

# The plaintext of a file at rest; undef: it does not open.
sub open_vault {
    my ($key, $place, $sealed) = @_;
    return undef unless substr($sealed, 0, 4, '') eq 'wff1';
    my $plain = '';
    for (my $n = 0; length $sealed; $n++) {
        my $piece = substr($sealed, 0, 65536 + 16, '');
        my $tag = substr($piece, -16, 16, '');
        my $aad = join('|', $n, length $sealed ? 0 : 1, @$place);
        my $opened = gcm_decrypt_verify('AES', $key, pack('N3', 0, 0, $n), $aad, $piece, $tag) // return undef;
        $plain .= $opened;
    }
    return $plain;
}

# A file at rest, of pieces as open_vault takes them.
sub _seal_vault {
    my ($key, $place, $plain) = @_;
    my $sealed = 'wff1';
    my $n = 0;
    do {
        my $piece = substr($plain, 0, 65536, '');
        my $aad = join('|', $n, length $plain ? 0 : 1, @$place);
        $sealed .= join('', gcm_encrypt_authenticate('AES', $key, pack('N3', 0, 0, $n++), $aad, $piece));
    } while length $plain;
    return $sealed;
}

# A company's data key; its id: undef for the newest. Returns (id, key).
sub _data_key {
    my ($stack, $company_id, $id) = @_;
    my ($key_id, $wrapped) = $stack->dbh->selectrow_array('select id, wrapped from wflows.data_keys where company_id = ? and (id = ? or ?::uuid is null)
        order by created_at desc limit 1', undef, $company_id, $id, $id);
    return ($key_id, open_data_key(decode_base64(read_file("$stack->{dir}/secrets/master-k1")), $company_id, $key_id, $wrapped));
}

# Puts a file there as if it had been fetched; `row`: columns of its row. Returns its id.
sub store_file {
    my ($stack, $dir, $company_id, $plain, %row) = @_;
    my $dbh = $stack->dbh;
    my ($id) = $dbh->selectrow_array('select gen_random_uuid()');
    my ($key_id, $data_key) = _data_key($stack, $company_id);
    my $file_key = random_bytes(32);
    %row = (source => 'graph', media_id => '900', status => 'stored', size => length $plain, sha256 => sha256_hex($plain),
        file_key => seal_column($key_id, $data_key, ['media', 'file_key', $company_id, $id], $file_key), %row, company_id => $company_id, id => $id);
    my @names = sort keys %row;
    $dbh->do('insert into wflows.media (' . join(', ', @names) . ') values (' . join(', ', ('?') x @names) . ')', undef, @row{@names});
    mkdir "$dir/$company_id", 0700;
    write_file("$dir/$company_id/$id", _seal_vault($file_key, ['media', 'content', $company_id, $id], $plain), 0600);
    return $id;
}

# The plaintext of a file that users sent, as row and media folder have it; `as`: for another company.
sub stored_file {
    my ($stack, $dir, $company_id, $id, %o) = @_;
    my ($sealed) = $stack->dbh->selectrow_array('select file_key from wflows.media where company_id = ? and id = ?', undef, $company_id, $id);
    my (undef, $data_key) = _data_key($stack, $company_id, $sealed =~ /^wf1:([^:]+):/);
    my $file_key = unseal_column($data_key, ['media', 'file_key', $company_id, $id], $sealed);
    return open_vault($file_key, ['media', 'content', $o{as} // $company_id, $id], read_file("$dir/$company_id/$id"));
}

1;
