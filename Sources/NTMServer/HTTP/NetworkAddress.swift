#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Who has opened a connection, as far as limits tell clients apart: an IPv4 address, or the network
/// (/64) of an IPv6 address, within which a client may choose its addresses.
struct NetworkAddress: Hashable, Sendable {
  private enum Family: Hashable {
    case four, six
  }

  private let family: Family
  private let number: UInt64

  init?(_ address: UnsafePointer<sockaddr>) {
    switch addressFamily(address) {
    case AF_INET:
      let four = UnsafeRawPointer(address).load(as: sockaddr_in.self).sin_addr
      self.init(family: .four, number: UInt64(UInt32(bigEndian: four.s_addr)))
    case AF_INET6:
      let six = UnsafeRawPointer(address).load(as: sockaddr_in6.self).sin6_addr
      let (high, low) = withUnsafeBytes(of: six) {
        (
          UInt64(bigEndian: $0.load(as: UInt64.self)),
          UInt64(bigEndian: $0.load(fromByteOffset: 8, as: UInt64.self))
        )
      }
      // ::ffff:0:0/96: an IPv4 client of a socket that takes both.
      if high == 0, low >> 32 == 0xFFFF {
        self.init(family: .four, number: low & 0xFFFF_FFFF)
      } else {
        self.init(family: .six, number: high)
      }
    default: return nil
    }
  }

  private init(family: Family, number: UInt64) {
    self.family = family
    self.number = number
  }
}

/// Which kind of address it is. `sin_family` stands where `sa_family` does (POSIX, netinet/in.h); the
/// latter's declaration counts as libmicrohttpd's in some builds, depending on which header came
/// first, and can't be used here then.
private func addressFamily(_ address: UnsafePointer<sockaddr>) -> Int32 {
  Int32(UnsafeRawPointer(address).load(as: sockaddr_in.self).sin_family)
}

/// The address in numbers, without port.
func numericHost(_ address: UnsafePointer<sockaddr>) -> String? {
  let isIPv6 = addressFamily(address) == AF_INET6
  let length = isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
  return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(NI_MAXHOST)) { text in
    let code = getnameinfo(
      address, socklen_t(length), text.baseAddress, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
    return code == 0 ? String(cString: text.baseAddress!) : nil
  }
}
