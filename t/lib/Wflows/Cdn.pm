package Wflows::Cdn;

# Meta's side of the files that users send: a CDN and a Graph API on loopback (WHATSAPP.md 3.3, 3.4), and the
# encryption that phones do, on CryptX. What a path answers may be changed by `set` while it runs.
#
#   /f/<name>        a file that `encrypt` made       /code/<n>  that status
#   /v23.0/<id>      with the bearer token: {"url"} of a file that `publish` made
#   /download/<id>   with the bearer token: its bytes

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Crypt::Mac::HMAC qw(hmac);
use Crypt::Mode::CBC;
use Crypt::PRNG qw(random_bytes);
use Digest::SHA qw(sha256);
use MIME::Base64 qw(encode_base64);
use Wflows::Backend;
use Wflows::Process qw(read_file write_file);

my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $serial = 0;

# dir: for its files; token: what the Graph API wants
sub start {
    my ($class, %o) = @_;
    my $self = bless {%o}, $class;
    $self->{backend} = Wflows::Backend->start(log => "$o{dir}/requests.ndjson", answer => sub { $self->_answer(@_) });
    return $self;
}

sub _answer {
    my ($self, $request) = @_;
    my ($path) = split(/\?/, $request->{path});
    return [$1, {}, ''] if $path =~ m{^/code/(\d+)};
    return [200, {}, read_file("$self->{dir}/$1")] if $path =~ m{^/f/([a-z0-9-]+)$} && -e "$self->{dir}/$1";
    if ($path =~ m{^/(v23\.0|download)/(\d+)$} && -e "$self->{dir}/graph-$2") {
        return [401, {}, ''] if ($request->{headers}{authorization} // '') ne "Bearer $self->{token}";
        return [200, {}, read_file("$self->{dir}/graph-$2")] if $1 eq 'download';
        return [200, {}, $json->encode({ messaging_product => 'whatsapp', id => $2, url => "http://$request->{headers}{host}/download/$2" })];
    }
    return [404, {}, ''];
}

sub url { my ($self, $path) = @_; return $self->{backend}->url($path) }
sub origin { my ($self) = @_; return $self->url('') =~ s{/$}{}r }

sub set { my ($self, @how) = @_; return $self->{backend}->set(@how) }

sub count {
    my ($self, $path) = @_;
    return scalar grep { $_->{path} eq $path } $self->{backend}->requests;
}

# Puts a file on the CDN; returns the reference that the endpoint gets. `url`: another one; `spoil`: sub that is
# given the metadata (raw bytes) and the file, and may change both.
sub encrypt {
    my ($self, $plain, %o) = @_;
    my $name = 'file-' . ++$serial;
    my %meta = (iv => random_bytes(16), encryption_key => random_bytes(32), hmac_key => random_bytes(32), plaintext_hash => sha256($plain));
    my $sealed = Crypt::Mode::CBC->new('AES')->encrypt($plain, @meta{qw(encryption_key iv)});
    my $file = $sealed . substr(hmac('SHA256', $meta{hmac_key}, $meta{iv}, $sealed), 0, 10);
    $meta{encrypted_hash} = sha256($file);
    $o{spoil}->(\%meta, \$file) if $o{spoil};
    write_file("$self->{dir}/$name", $file);
    return { media_id => "media-$name", cdn_url => $o{url} // $self->url("/f/$name"), file_name => "$name.jpg",
        encryption_metadata => { map { $_ => encode_base64($meta{$_}, '') } keys %meta } };
}

# Puts a file behind the Graph API; returns the reference that a completion message has. `as`: its hash is that
# of these bytes.
sub publish {
    my ($self, $plain, %o) = @_;
    my $id = 9_000_000_000 + ++$serial;
    write_file("$self->{dir}/graph-$id", $plain);
    return { id => "$id", file_name => "graph-$id.pdf", mime_type => 'application/pdf', sha256 => encode_base64(sha256($o{as} // $plain), '') };
}

sub stop { my ($self) = @_; return $self->{backend}->stop }

1;
