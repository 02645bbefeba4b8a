/** The logo, alone and with the name of the product. */

export function Mark({ className = "size-7" }: { className?: string }) {
  return <img src="/assets/favicon.svg" alt="" className={className} />;
}

export function Brand() {
  return (
    <span className="flex items-center gap-2 text-base font-semibold tracking-tight">
      <Mark />
      PROMPTer
    </span>
  );
}
