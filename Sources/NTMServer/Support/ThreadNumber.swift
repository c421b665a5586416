#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Tells threads apart that use a thing of which there are several copies.
enum ThreadNumber {
  /// A number below 256 that a thread always has, and others rarely.
  ///
  /// A thread's name is an address, of which the upper bits of a product with an odd number depend
  /// on all bits (Knuth, The Art of Computer Programming, section 6.4).
  static var current: Int {
    #if canImport(Darwin)
      let thread = UInt64(UInt(bitPattern: pthread_self()))
    #else
      let thread = UInt64(UInt(pthread_self()))
    #endif
    return Int((thread &* 0x9E37_79B9_7F4A_7C15) >> 56)
  }
}
